"""The command: formats, errors for faulty input, and resumed output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seq2seq.translate import Translation, Translator
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of, translate_to


def test_file_pipe_and_python_give_the_same_text(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt.gz"
    source.write_text("\n".join(LINES), encoding="utf-8")
    out, _ = call("translate", run, text="\n".join(LINES).encode())
    assert lines_of(out) == translator(LINES)
    assert call("translate", run, source)[0] == out
    call("translate", run, source, "--output", output, "--batch-size", 3)
    import gzip

    assert gzip.decompress(output.read_bytes()).decode() == out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.txt.gz"]


def test_columns_may_be_named_and_several_files_are_one(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text(f"id\ten\n{name}\tA dog.\n\n")
    files = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    out, _ = call("translate", run, *files, "--field", "en", "--output-format", "tsv")
    head, *rows = [line.split("\t") for line in lines_of(out)]
    assert head == ["id", "en", "translation", "score"]
    assert [row[0] for row in rows] == ["a", "", "b", ""]
    assert rows[0][2] == rows[2][2] == translator(["A dog."])[0]
    assert float(rows[0][3]) < 0
    plain, _ = call("translate", run, *files, "--field", "2")
    assert len(lines_of(plain)) == 6


def test_json_keeps_other_fields_and_finds_nested_ones(run: Path) -> None:
    text = (
        b'{"t": {"en": "A dog."}, "n": [1, 2.5, null]}\n\n{"t": {"en": ""}, "x": 1}\n'
    )
    out, _ = call(
        "translate", run, "--input-format", "jsonl", "--field", "t.en",
        "--output-format", "jsonl", text=text,
    )  # fmt: skip
    first, blank, last = map(json.loads, lines_of(out))
    assert first["t"] == {"en": "A dog."}
    assert first["n"] == [1, 2.5, None]
    assert first["score"] < 0
    nothing = {
        "translation": "",
        "score": None,
        "confidence": None,
        "num_tokens": 0,
        "num_sentences": 0,
        "num_segments": 0,
        "truncated": False,
    }
    assert blank == nothing
    assert last == {"t": {"en": ""}, "x": 1, **nothing}


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (b"{}\n", [], "name the text to translate with --field"),
        (b'{"b": "x"}\n', ["--field", "a"], "input:1: there is no text under 'a' (b)"),
        (b'{"a": 1}\n', ["--field", "a"], "standard input:1: 'a' is 1, not text"),
        (b'{"a": null}\n', ["--field", "a"], "standard input:1: 'a' is null, not text"),
        (b'{"a": "x"}\n{"b":\n', ["--field", "a"], "standard input:2: this is no JSON"),
        (b"[" * 99999 + b"\n", ["--field", "a"], "standard input:1: this is no JSON"),
        (
            b'{"a": "x", "score": 1}\n',
            ["--field", "a", "--output-format", "jsonl"],
            "the input has a field 'score' already",
        ),
    ],
)
def test_bad_json_gets_one_line(
    run: Path, text: bytes, more: list[str], says: str
) -> None:
    _, errors = call("translate", run, "--input-format", "jsonl", *more, text=text)
    assert says in errors
    assert "\n" not in errors


def test_missing_columns_are_named(run: Path) -> None:
    tsv = ["--input-format", "tsv", "--field"]
    _, errors = call("translate", run, *tsv, "3", text=b"a\tb\n")
    assert "standard input:1: there are 2 cells, so there is no column 3" in errors
    _, errors = call("translate", run, *tsv, "en", text=b"a\tb\nc\n")
    assert "there is no column 'en' among a, b" in errors


def test_long_lines_are_counted_at_the_end(run: Path) -> None:
    text = b"A dog. A dog. A dog. A dog.\nNo\n"
    options = ["--sentences", "keep", "--max-input-length", 9]
    out, errors = call("translate", run, *options, text=text)
    expected = "1 of 2 lines had more than 9 tokens and was translated in segments\n"
    assert errors == expected
    out, errors = call(
        "translate", run, *options, "--long-input", "truncate", text=text
    )
    assert "1 of 2 lines was truncated to 9 tokens" in errors
    assert len(lines_of(out)) == 2


def test_small_buffers_are_for_streams(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    text = "A dog sleeps.\n" * 30
    source.write_text(text, encoding="utf-8")
    translate_batch, sizes = Translator.translate_batch, []

    def record_size(
        self: Translator, lines: Any, *rest: Any, **more: Any
    ) -> list[Translation]:
        sizes.append(len(lines))
        return translate_batch(self, lines, *rest, **more)

    monkeypatch.setattr(Translator, "translate_batch", record_size)
    call("translate", run, source, "--output", output)
    whole = call("translate", run, source)[0]
    piped = call("translate", run, text=text.encode())[0]
    screen = "typer.testing._NamedTextIOWrapper.isatty"
    monkeypatch.setattr(screen, lambda self: True, raising=False)
    call("translate", run, source)
    assert sizes == [30, 30, 1, 8, 21, 1, 8, 21]
    assert output.read_text(encoding="utf-8") == whole == piped


@pytest.mark.parametrize("dies_after", [0, 1, 3])
def test_an_interrupted_translation_continues_to_the_same_bytes(
    run: Path, tmp_path: Path, dies_after: int
) -> None:
    source, whole, output = (tmp_path / name for name in ("in", "whole", "out"))
    source.write_text("\n".join(LINES * 9), encoding="utf-8")
    small = ("--buffer-size", "20")
    translate_to(run, source, whole, *small, "--alignments", f"{whole}.align")
    aligned = (*small, "--alignments", str(tmp_path / "out.align"))
    error = translate_to(run, source, output, *aligned, dies_after=dies_after)
    assert error == "killed"
    assert not output.exists()
    error = translate_to(run, source, output, *aligned, "--resume")
    assert error == ""
    assert output.read_bytes() == whole.read_bytes()
    assert (tmp_path / "out.align").read_bytes() == Path(f"{whole}.align").read_bytes()
    assert len(list(tmp_path.iterdir())) == 5


def test_what_is_left_is_neither_overwritten_nor_continued_by_another_job(
    run: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("\n".join(LINES * 9), encoding="utf-8")
    small = ("--buffer-size", "9")
    translate_to(run, source, output, *small, dies_after=1)
    left = (tmp_path / "out.partial").read_bytes()
    assert "holds 9 lines of a translation" in translate_to(run, source, output, *small)
    small = (*small, "--resume")
    error = translate_to(run, source, output, *small, "--beam", "2")
    assert "another translation: search was" in error
    other = make_run(tmp_path / "other", seed=1)
    error = translate_to(other, source, output, *small)
    assert "another translation: runs was" in error
    assert (tmp_path / "out.partial").read_bytes() == left
    source.write_text("\n".join(["changed", *LINES * 9]), encoding="utf-8")
    error = translate_to(run, source, output, *small)
    assert "the first 9 of the input have changed" in error
    source.write_text("\n".join(LINES[:4]), encoding="utf-8")
    error = translate_to(run, source, output, *small)
    assert "made from 9 lines, but the input has 4" in error


def test_a_bad_line_stops_a_file_which_continues_once_it_is_mended(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    good = "\n".join(LINES * 2).encode()
    strict = ("translate", run, "--output", output, "--strict-utf8")
    error = call(*strict, text=good + b"\n\xff\nmore\n")[1]
    assert "standard input:21: byte 0xff" in error
    assert not output.exists()
    call(*strict, "--resume", text=good + b"\nfine\nmore\n")
    assert lines_of(output.read_bytes()) == translator([*LINES * 2, "fine", "more"])


def test_killed_by_the_system_and_continued(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    text = "\n".join(LINES * 40).encode()
    source.write_bytes(text)
    command = [sys.executable, "-m", "seq2seq", "translate", str(run), "--output"]
    command += [str(output), "--buffer-size", "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(text[: len(text) // 2])
        process.stdin.flush()
        journal = tmp_path / "out.partial.journal"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert not output.exists()
    _, errors = call(
        "translate", run, "--output", output, "--buffer-size", 20, "--resume", text=text
    )
    assert errors == ""
    call("translate", run, source, "--output", tmp_path / "whole", "--buffer-size", 20)
    assert output.read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--resume"], "--resume needs --output"),
        (["--alignments", "a"], "--alignments A needs --output"),
        (["--output", "/dev/null", "--resume"], "/dev/null is no file"),
        (["--output", "none/out"], "there is no folder"),
        (["--output", "."], "is a folder, not a file"),
        (["--n-best", "9"], "need a beam of as many"),
    ],
)
def test_incompatible_options_are_refused(
    run: Path, more: list[str], says: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in call("translate", run, *more, text=b"A dog.\n")[1]
    assert not list(tmp_path.iterdir())
