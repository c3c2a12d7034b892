"""`seq2seq translate` of documents: written whole, resumed, never as something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.translate_cli import call, translate_to


def test_500_subtitles_keep_their_times_and_resume_to_the_same_bytes(
    run: Path, tmp_path: Path
) -> None:
    cues = [
        f"{i}\r\n00:{i // 60:02}:{i % 60:02},{i:03} --> 00:{i // 60:02}:{i % 60:02},999"
        f"{' X1:1' * (i % 9 == 0)}\r\n<i>I see the dog.</i>\r\n"
        + f"- No {i}.\r\n- The cat <b>sleeps</b>.\r\n"
        * (i % 5 == 0)
        for i in range(1, 501)
    ]
    source = tmp_path / "film.srt"
    source.write_bytes(("\ufeff" + "\r\n".join(cues)).encode())
    outputs = [tmp_path / "a.srt", tmp_path / "b.srt"]
    more = ["--buffer-size", "200"]
    translate_to(run, source, outputs[0], *more)
    translate_to(run, source, outputs[1], *more, dies_after=1)
    assert not outputs[1].exists()
    translate_to(run, source, outputs[1], *more, "--resume")
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.srt",
        "b.srt",
        "film.srt",
    ]
    written = outputs[0].read_bytes().decode()
    assert written != source.read_bytes().decode()
    frame = re.compile(r"\ufeff|^\d+\r\n.*-->.*\r\n|<[^>]*>", re.MULTILINE)
    assert frame.findall(written) == frame.findall(source.read_bytes().decode())
    assert len(re.split(r"\r\n\r\n", written)) == 500


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.srt"], "Use --output a.translated.srt, and no other --output-format."),
        (
            ["a.srt", "--output", "b.vtt"],
            "srt is written as srt, with all but the text",
        ),
        (["a.srt", "--output-format", "jsonl"], "Use --output a.translated.srt"),
        (["a.txt", "--output", "b.srt"], "the output would be srt, but the input is"),
        (["a.txt", "a.srt"], "a.srt is srt, a document, which is translated by itself"),
        (["a.srt", "--output", "b.srt", "--column", "x"], "--column is not for srt"),
        (["a.srt", "--output", "b.srt", "--n-best", "2"], "--n-best 2 has no place in"),
        (["a.csv", "--output", "b.csv"], "a.csv: name the column to translate with"),
        (["no.srt", "--output", "b.srt"], "no.srt is missing"),
        (["a.srt.gz", "--output", "b.srt"], "a .srt file is not read compressed"),
        (["a.ods", "--output", "b.ods"], "ODS files are neither read nor written"),
    ],
)
def test_a_document_is_not_read_or_written_as_something_else(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "a.csv", "a.srt.gz", "a.ods"):
        Path(name).write_text("en,de\nA dog.,\n")
    Path("a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nA dog.\n")
    before = sorted(tmp_path.iterdir())
    out, error = call("translate", run, *arguments)
    assert says in error
    assert out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_column_of_csv_is_translated_into_a_new_one(
    run: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "a.CSV", tmp_path / "b.csv"
    source.write_bytes(b"Nr;en\r\n1;I see the dog.\r\n")
    more = ["--field", "en", "--output-key", "de (tiny)"]
    call("translate", run, source, "--output", output, *more)
    (text,) = [*map(str.strip, call("translate", run, text=b"I see the dog.\n")[0:1])]
    assert output.read_bytes() == (
        f"Nr;en;de (tiny)\r\n1;I see the dog.;{text}\r\n".encode()
    )


def test_paragraphs_come_from_a_pipe_and_go_to_one(run: Path) -> None:
    text = b"I see\nthe dog.\n\n7\n"
    out, _ = call("translate", run, "--input-format", "paragraphs", text=text)
    assert out.endswith("\n\n7\n")
    one_line = call("translate", run, text=b"I see the dog.\n")[0]
    assert out.split("\n\n")[0].split() == one_line.split()
