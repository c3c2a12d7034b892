"""The line contract: lines out are lines in, whatever they hold."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translators import make_run
from typer.testing import CliRunner

from seq2seq.cli import app
from seq2seq.errors import InputError
from seq2seq.text.lines import decode_lines
from seq2seq.translate import Options, Translator
from seq2seq.translate.job import Mended, Progress, translate_records
from seq2seq.translate.journal import Journal
from seq2seq.translate.long_lines import parts
from seq2seq.translate.records import Writing, read_records
from seq2seq.translate.windows import CHARACTERS, batches, windows
from seq2seq.translate.workers import Alone

HOSTILE = "\0\x01\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ufeff\u200b\u202e\xa0▁⁇\t\r|"
LINES = [
    "The old man buys a red car.",
    "",
    "I see the dog.",
    "   ",
    "We sleep, and the child reads a book.",
    "a\u2028b\x85c\x0b",
    "\0",
    "你好",
    "The cat.",
    "No",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run)


def lines_of(text: str | bytes) -> list[str]:
    return (text.decode() if isinstance(text, bytes) else text).split("\n")[:-1]


def piped(
    translator: Translator,
    text: bytes,
    *,
    form: Any = "text",
    field: str | None = None,
    options: Options | None = None,
    writing: Writing | None = None,
) -> list[str]:
    """What the command does with standard input and output."""
    output = io.BytesIO()
    records = read_records(
        decode_lines(io.BytesIO(text), "it"),
        "it",
        form=form,
        field=field,
        mend=Mended(),
    )
    translate_records(
        Alone(translator, options or Options()),
        records,
        writing=writing or Writing("text"),
        output=output,
    )
    return lines_of(output.getvalue())


hostile = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")),
        st.text(st.sampled_from("aA .,;。你" + HOSTILE)),
        st.sampled_from([*LINES, "x" * 700, "A dog. " * 90, "字" * 300]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(hostile, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_as_many_lines_come_out_as_go_in(
    translator: Translator, lines: list[str], end: str, ended: bool
) -> None:
    text = end.join([*lines, ""] if ended else lines).encode()
    came = list(decode_lines(io.BytesIO(text), "it"))
    options = translator.with_beam(Options(max_length=30), 1)
    found = piped(translator, text, options=options)
    assert len(found) == len(came)
    for line, translation in zip(came, found, strict=True):
        assert "\r" not in translation
        if not line.strip():
            assert translation == ""


@settings(max_examples=15, deadline=None)
@given(hostile)
def test_every_form_keeps_every_line(translator: Translator, lines: list[str]) -> None:
    options = translator.with_beam(Options(max_length=30), 1)
    objects = "".join(
        json.dumps({"id": i, "en": x}) + "\n" for i, x in enumerate(lines)
    )
    found = piped(
        translator,
        objects.encode(),
        form="jsonl",
        field="en",
        options=options,
        writing=Writing("jsonl"),
    )
    rows = [json.loads(line) for line in found]
    assert [row["id"] for row in rows] == list(range(len(lines)))
    assert [row["en"] for row in rows] == lines
    tabs = "".join(f"{i}\t{x}\n".replace("\r", "") for i, x in enumerate(lines))
    wide = piped(
        translator,
        tabs.encode(),
        form="tsv",
        field="1",
        options=options,
        writing=Writing("tsv"),
    )
    assert [line.split("\t")[0] for line in wide] == [str(i) for i in range(len(lines))]


@pytest.mark.parametrize("batch", [1, 7, 64, 128])
@pytest.mark.parametrize("window", [1, 3, 2000])
def test_text_does_not_depend_on_batches_or_windows(
    translator: Translator, batch: int, window: int
) -> None:
    lines = LINES * 3
    whole = translator(lines)
    assert translator(lines, options=Options(batch=batch, window=window)) == whole
    backwards = translator(lines[::-1], options=Options(batch=batch))
    assert backwards[::-1] == whole
    assert [translator([line])[0] for line in LINES] == whole[: len(LINES)]


def test_half_a_surrogate_pair_is_read_as_a_replacement_character(
    translator: Translator,
) -> None:
    assert translator(["a \ud800 b"]) == translator(["a \ufffd b"])
    text = b'{"en": "a \\ud800 b", "id": "\\udfff"}\n'
    (found,) = piped(
        translator, text, form="jsonl", field="en", writing=Writing("jsonl")
    )
    assert json.loads(found)["id"] == "\udfff"


def test_windows_grow_and_end_at_many_characters() -> None:
    sizes = [len(w) for w in windows(["x"] * 5000, characters=len, largest=2000)]
    assert sizes == [1, 8, 64, 512, 2000, 2000, 415]
    long = windows(["x" * CHARACTERS] * 20, characters=len)
    assert [len(window) for window in long] == [1] * 20


def test_an_endless_input_is_read_no_further_than_its_windows(
    translator: Translator,
) -> None:
    read = 0

    def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield "A dog."

    stream = translator.stream(endless())
    assert next(stream) == next(stream)
    assert read == 9


@given(st.lists(st.integers(1, 400), max_size=200), st.integers(1, 64))
def test_batches_hold_every_sentence_once(lengths: list[int], most: int) -> None:
    found = batches(lengths, sentences=most)
    assert sorted(n for batch in found for n in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) <= most
        padded = len(batch) * max(lengths[number] for number in batch)
        assert padded <= most * 100 or len(batch) == 1


@given(
    st.lists(st.sampled_from(["▁a", "b", ".", "▁", ",", '."', "。", "?"]), min_size=1),
    st.integers(1, 9),
)
def test_the_parts_of_a_line_are_the_line(pieces: list[str], longest: int) -> None:
    found = parts(pieces, longest)
    assert [piece for part in found for piece in pieces[part]] == pieces
    assert all(1 <= part.stop - part.start <= longest for part in found)


@pytest.mark.parametrize(
    ("text", "longest", "ends"),
    [
        ("▁a ▁b . ▁c ▁d ▁e ▁f ▁g", 6, [3, 8]),
        ("▁a ▁b . ▁c ▁d , ▁e ▁f ▁g", 4, [3, 6, 9]),
        ("▁a ▁b ▁c ▁d ▁e ▁f", 4, [3, 6]),
        ("▁3 . 5 ▁a ▁b", 4, [3, 5]),
        ('▁a ." ▁b ▁c ▁d', 4, [2, 5]),
        ("▁一 二 。 三 四", 4, [3, 5]),
        ("▁a b c d e", 3, [3, 5]),
    ],
)
def test_lines_come_apart_where_sentences_end(
    text: str, longest: int, ends: list[int]
) -> None:
    assert [part.stop for part in parts(text.split(), longest)] == ends


def test_long_lines_are_translated_in_parts_or_cut(translator: Translator) -> None:
    line, short = "The man sees a dog. " * 30, "The man sees a dog."
    pieces = len(translator.source.encode([short])[0])
    options = Options(max_length=pieces)
    (found,) = translator.window([line], options)
    assert (found.parts, found.cut) == (30, False)
    alone = translator([short])[0]
    assert found.text == " ".join([alone] * 30)
    (cut,) = translator.window([line], replace(options, long="cut"))
    assert (cut.text, cut.parts, cut.cut) == (alone, 1, True)


def test_a_million_characters_are_a_line(translator: Translator) -> None:
    options = translator.with_beam(Options(long="cut", max_length=20), 1)
    found = translator(["x" * 1_000_000, "", "No"], options=options)
    assert found[1:] == ["", *translator(["No"], beam_size=1)]


def test_a_batch_that_does_not_fit_in_memory_is_halved(
    run: Path, translator: Translator, monkeypatch: Any
) -> None:
    small = Translator.load(run)
    start, sizes = small.engine.start, []

    def full(source: Any, lengths: Any, asked: Any) -> Any:
        sizes.append(len(source))
        if len(source) > most:
            raise MemoryError
        return start(source, lengths, asked)

    monkeypatch.setattr(small.engine, "start", full)
    most = 2
    assert small(LINES) == translator(LINES)
    assert max(sizes) > most
    most = 0
    with pytest.raises(InputError, match="does not fit in memory"):
        small(LINES)


def test_bad_input_keeps_what_came_before(translator: Translator) -> None:
    output = io.BytesIO()
    text = "\n".join(LINES[:5]).encode() + b"\n\xff\nmore\n"
    records = read_records(
        decode_lines(io.BytesIO(text), "it"), "it", form="text", field=None
    )
    with pytest.raises(InputError, match=r"^it:6: byte 0xff"):
        translate_records(
            Alone(translator, Options()),
            records,
            writing=Writing("text"),
            output=output,
        )
    assert lines_of(output.getvalue()) == translator(LINES[:5])


def call(*arguments: str | Path, text: bytes = b"") -> tuple[str, str]:
    """Run a verb in this process; what it printed, and its fault."""
    done = CliRunner().invoke(app, list(map(str, arguments)), input=text)
    if done.exception and not isinstance(done.exception, InputError):
        raise done.exception
    return done.stdout, str(done.exception or done.stderr)


def test_file_pipe_and_python_give_the_same_text(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt.gz"
    source.write_text("\n".join(LINES), encoding="utf-8")
    out, _ = call("translate", run, text="\n".join(LINES).encode())
    assert lines_of(out) == translator(LINES)
    assert call("translate", run, source)[0] == out
    call("translate", run, source, "--output", output, "--batch", 3)
    import gzip

    assert gzip.decompress(output.read_bytes()).decode() == out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.txt.gz"]


def test_columns_may_be_named_and_several_files_are_one(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.tsv").write_text(f"id\ten\n{name}\tA dog.\n\n")
    files = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    out, _ = call("translate", run, *files, "--field", "en", "--format", "tsv")
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
        "--format", "jsonl", text=text,
    )  # fmt: skip
    first, blank, last = map(json.loads, lines_of(out))
    assert first["t"] == {"en": "A dog."}
    assert first["n"] == [1, 2.5, None]
    assert first["score"] < 0
    assert blank == {"translation": "", "score": None}
    assert last == {"t": {"en": ""}, "x": 1, "translation": "", "score": None}


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (b"{}\n", [], "say what of it to translate with --field"),
        (b'{"a": 1}\n', ["--field", "a"], "standard input:1: there is no text under"),
        (b'{"a": "x"}\n{"b":\n', ["--field", "a"], "standard input:2: this is no JSON"),
        (b"[" * 99999 + b"\n", ["--field", "a"], "standard input:1: this is no JSON"),
        (
            b'{"a": "x", "score": 1}\n',
            ["--field", "a", "--format", "jsonl"],
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
    _, errors = call("translate", run, *tsv, "2", text=b"a\tb\nc\n")
    assert "standard input:2: there are 1 columns, but column 2" in errors
    _, errors = call("translate", run, *tsv, "en", text=b"a\tb\nc\n")
    assert "there is no column 'en' among a, b" in errors


def test_long_lines_are_counted_at_the_end(run: Path) -> None:
    text = b"A dog. A dog. A dog. A dog.\nNo\n"
    out, errors = call("translate", run, "--max-length", 9, text=text)
    assert "1 of 2 lines had more than 9 pieces and were translated in parts" in errors
    out, errors = call("translate", run, "--max-length", 9, "--long", "cut", text=text)
    assert "1 of 2 lines were cut to 9 pieces" in errors
    assert len(lines_of(out)) == 2


class Killed(Exception):  # noqa: N818, it is not an error
    pass


def translate_to(
    run: Path, source: Path, output: Path, *more: str, dies_after: int = -1
) -> str:
    """Translate to a file, perhaps dying after some windows, half a line written."""
    with pytest.MonkeyPatch.context() as patch:
        kept = Journal.write

        def write(self: Journal, window: Any) -> None:
            nonlocal dies_after
            if dies_after == 0:
                for path in self.partial:
                    with path.open("ab") as stream:
                        stream.write("half a lin…".encode()[:-1])
                with self.log_path.open("ab") as stream:
                    stream.write(b'{"lines": 1')
                raise Killed
            dies_after -= 1
            kept(self, window)

        patch.setattr(Journal, "write", write)
        try:
            return call("translate", run, source, "--output", output, *more)[1]
        except Killed:
            return "killed"


@pytest.mark.parametrize("dies_after", [0, 1, 3])
def test_an_interrupted_translation_continues_to_the_same_bytes(
    run: Path, tmp_path: Path, dies_after: int
) -> None:
    source, whole, output = (tmp_path / name for name in ("in", "whole", "out"))
    source.write_text("\n".join(LINES * 9), encoding="utf-8")
    translate_to(run, source, whole, "--alignments", f"{whole}.align")
    aligned = ("--alignments", str(tmp_path / "out.align"))
    said = translate_to(run, source, output, *aligned, dies_after=dies_after)
    assert said == "killed"
    assert not output.exists()
    said = translate_to(run, source, output, *aligned, "--continue")
    assert said == ""
    assert output.read_bytes() == whole.read_bytes()
    assert (tmp_path / "out.align").read_bytes() == Path(f"{whole}.align").read_bytes()
    assert len(list(tmp_path.iterdir())) == 5


def test_what_is_left_is_neither_overwritten_nor_continued_by_another_job(
    run: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("\n".join(LINES * 9), encoding="utf-8")
    translate_to(run, source, output, dies_after=2)
    left = (tmp_path / "out.partial").read_bytes()
    assert "holds 9 lines of a translation" in translate_to(run, source, output)
    said = translate_to(run, source, output, "--continue", "--beam", "2")
    assert "another translation: search was" in said
    other = make_run(tmp_path / "other", seed=1)
    said = translate_to(other, source, output, "--continue")
    assert "another translation: runs was" in said
    assert (tmp_path / "out.partial").read_bytes() == left
    source.write_text("\n".join(["changed", *LINES * 9]), encoding="utf-8")
    said = translate_to(run, source, output, "--continue")
    assert "the first 9 of the input have changed" in said
    source.write_text("\n".join(LINES[:4]), encoding="utf-8")
    said = translate_to(run, source, output, "--continue")
    assert "made from 9 lines, but the input has 4" in said


def test_a_bad_line_stops_a_file_which_continues_once_it_is_mended(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    good = "\n".join(LINES * 2).encode()
    strict = ("translate", run, "--output", output, "--strict")
    said = call(*strict, text=good + b"\n\xff\nmore\n")[1]
    assert "standard input:21: byte 0xff" in said
    assert not output.exists()
    call(*strict, "--continue", text=good + b"\nfine\nmore\n")
    assert lines_of(output.read_bytes()) == translator([*LINES * 2, "fine", "more"])


def test_killed_by_the_system_and_continued(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    text = "\n".join(LINES * 40).encode()
    source.write_bytes(text)
    command = [sys.executable, "-m", "seq2seq", "translate", str(run), "--output"]
    command += [str(output), "--window", "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(text[: len(text) // 2])
        process.stdin.flush()
        journal = tmp_path / "out.partial.journal"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            time.sleep(0.05)
        process.kill()
    assert not output.exists()
    _, errors = call(
        "translate", run, "--output", output, "--window", 20, "--continue", text=text
    )
    assert errors == ""
    call("translate", run, source, "--output", tmp_path / "whole", "--window", 20)
    assert output.read_bytes() == (tmp_path / "whole").read_bytes()


def test_progress_is_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for screen, says in ((Terminal(), "1,000 lines, "), (io.StringIO(), "")):
        progress = Progress(screen)
        progress.shown -= 10
        progress.show(1000, 500)
        assert says in screen.getvalue()
        assert bool(says) == bool(screen.getvalue())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--continue"], "--continue needs --output"),
        (["--alignments", "a"], "--alignments A needs --output"),
        (["--output", "/dev/null", "--continue"], "/dev/null is no file"),
        (["--output", "none/out"], "there is no folder"),
        (["--output", "."], "is a folder, not a file"),
        (["--n-best", "9"], "need a beam of as many"),
    ],
)
def test_what_does_not_go_together_is_said(
    run: Path, more: list[str], says: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in call("translate", run, *more, text=b"A dog.\n")[1]
    assert not list(tmp_path.iterdir())
