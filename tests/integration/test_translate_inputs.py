"""The command refuses what it would read wrongly, before it translates anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seq2seq.translate import Translator
from seq2seq.utils.files import read_lines
from tests.helpers.translate_cli import call, lines_of

EXPORT = (
    b"\xef\xbb\xbfNr\tEnglisch\tNotiz\r\n"
    b'1\t"I see ""the dog""."\tx\r\n'
    b'2\t"The cat,\nand no\tdog."\ty\r\n'
    b"3\tNo\tz\r\n"
)


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("in.txt", ["--field", "2"], "in.txt is read as text, but --field 2 names"),
        ("in.txt", ["--quoted"], "in.txt is read as text, but --quoted"),
        ("in.jsonl", ["--no-quoted", "--field", "a"], "is read as jsonl, but --quoted"),
        ("in.csv", [], "in.csv is csv, a document, which is translated by itself"),
        ("in.ODS", [], "in.ODS: ODS files are neither read nor written. Save it as"),
        ("missing.txt", [], "missing.txt is missing"),
    ],
)
def test_every_input_is_checked_before_any_is_translated(
    run: Path, tmp_path: Path, name: str, more: list[str], says: str
) -> None:
    good = tmp_path / "good.txt"
    good.write_text("A dog.\n")
    if name != "missing.txt":
        (tmp_path / name).write_text('{"a": "x"}\n')
    inputs = [tmp_path / name] if more else [good, tmp_path / name]
    out, error = call("translate", run, *inputs, *more)
    assert says in error
    assert out == ""


def test_options_without_effect_on_standard_input_are_refused(run: Path) -> None:
    _, error = call("translate", run, "--field", "en", text=b'{"en": "A dog."}\n')
    assert error == (
        "standard input is read as text, but --field en names a column or key: add "
        "--input-format tsv or jsonl, or leave --field out."
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"PK\x03\x04\x14\0", "is a ZIP archive, as XLSX is, and no text"),
        ("A dog.\n".encode("utf-16-le"), "its first line has NUL characters"),
        ("A dog.\n".encode("utf-16"), "its first line has NUL characters"),
    ],
)
def test_bytes_that_are_no_text_are_refused(
    run: Path, tmp_path: Path, text: bytes, says: str
) -> None:
    (tmp_path / "in.txt").write_bytes(text)
    for arguments in ([tmp_path / "in.txt"], []):
        assert says in call("translate", run, *arguments, text=text)[1]


def test_an_export_of_a_spreadsheet_is_refused_until_its_quotes_are_known(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    table = tmp_path / "xl.tsv"
    table.write_bytes(EXPORT)
    command = ("translate", run, table, "--field", "Englisch", "--output-format")
    out, error = call(*command, "tsv")
    assert out == ""
    assert "xl.tsv:2: cells are in quotes, as spreadsheets write them" in error
    out, error = call(*command, "tsv", "--quoted")
    rows = [line.split("\t") for line in lines_of(out)]
    texts = ['I see "the dog".', "The cat, and no dog.", "No"]
    assert [row[:3] for row in rows] == [
        ["Nr", "Englisch", "Notiz"],
        *(
            [str(n), text, note]
            for n, text, note in zip("123", texts, "xyz", strict=True)
        ),
    ]
    assert [row[3] for row in rows] == [
        "translation",
        *translator(['I see "the dog".', "The cat, and no\tdog.", "No"]),
    ]
    out, error = call(*command, "tsv", "--no-quoted")
    assert "xl.tsv:3: there are 2 cells, but line 1 has 3" in error
    assert "add --quoted if quotes enclose tabs or line breaks" in error


@pytest.mark.parametrize("field", ["en", "2"])
@pytest.mark.parametrize("row", ["2\tA cat.\tnote\tmore", "2\tA cat."])
def test_a_row_of_another_length_is_named(run: Path, field: str, row: str) -> None:
    text = f"id\ten\tnote\n1\tA dog.\tx\n\n{row}\n"
    _, error = call(
        "translate", run, "--input-format", "tsv", "--field", field, text=text.encode()
    )
    count = len(row.split("\t"))
    assert f"standard input:4: there are {count} cells, but line 1 has 3" in error


def test_a_blank_row_has_its_translation_in_the_column_of_the_others(run: Path) -> None:
    tsv = ["--input-format", "tsv", "--field", "en", "--output-format"]
    text = b"id\ten\t\t\n1\tA dog.\tx\ty\n\n2\tNo\t\tz\n"
    out, _ = call("translate", run, *tsv, "tsv", text=text)
    assert {line.count("\t") for line in lines_of(out)} == {5}
    first = json.loads(
        call("translate", run, *tsv, "jsonl", text=text)[0].split("\n")[0]
    )
    assert (first["3"], first["4"]) == ("x", "y")


def test_columns_of_one_name_are_refused(run: Path) -> None:
    tsv = ["--input-format", "tsv", "--field", "de"]
    _, error = call("translate", run, *tsv, text=b"en\tde\ten\na\tb\tc\n")
    assert error == "standard input:1: two columns are called 'en'. Rename one."


def test_files_with_other_columns_are_not_one_table(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id\ten\n1\tA dog.\n")
    (tmp_path / "b.tsv").write_text("en\tid\nA cat.\t2\n")
    files = (tmp_path / "a.tsv", tmp_path / "b.tsv", "--field", "en")
    _, error = call("translate", run, *files, "--output-format", "tsv")
    assert "b.tsv:1: the columns are not those of the files before" in error
    assert len(lines_of(call("translate", run, *files)[0])) == 2


@pytest.mark.parametrize("name", ["out.jsonl", "out.tsv", "out.tsv.gz", "out.txt"])
def test_the_name_of_the_output_is_its_format(
    run: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    call("translate", run, "--output", output, text=b"A dog.\n")
    lines = list(read_lines(output))
    assert len(lines) == 1
    assert (lines[0].startswith("{"), lines[0].count("\t")) == {
        "jsonl": (True, 0),
        "tsv": (False, 2),
        "txt": (False, 0),
    }[name.split(".")[1]]


def test_a_spreadsheet_is_not_written(run: Path, tmp_path: Path) -> None:
    _, error = call(
        "translate", run, "--output", tmp_path / "out.csv", text=b"A dog.\n"
    )
    assert "the output would be csv, but the input is text." in error
    assert not list(tmp_path.iterdir())


def test_added_keys_and_columns_never_meet_those_of_the_input(run: Path) -> None:
    text = b'{"translation": {"en": "A dog."}, "score": 1}\n'
    command = ["translate", run, "--input-format", "jsonl", "--field", "translation.en"]
    command += ["--output-format", "jsonl"]
    _, error = call(*command, text=text)
    assert "already, which the output needs. Add --output-key KEY" in error
    out, _ = call(*command, "--output-key", "mt", text=text)
    row = json.loads(out)
    assert row.pop("mt").keys() >= {"translation", "score", "confidence"}
    assert row == json.loads(text)
    _, error = call("translate", run, "--output-key", "mt", text=b"A dog.\n")
    assert error.startswith("--output-key is for JSONL, but the output is text")
    tsv = ["--input-format", "tsv", "--output-format", "tsv", "--field", "en"]
    _, error = call("translate", run, *tsv, text=b"en\tscore\nA dog.\t7\n")
    assert "the input has a column 'score' already" in error


@pytest.mark.parametrize(
    ("first", "warns"),
    [("Nr\tEnglish", "'English'"), ("nr\ten", "'en'"), ("1\tThe cat.", "")],
)
def test_a_first_row_of_names_that_is_translated_is_warned_of(
    run: Path, first: str, warns: str
) -> None:
    tsv = ["--input-format", "tsv", "--field", "2"]
    out, warnings = call("translate", run, *tsv, text=f"{first}\n1\tNo\n".encode())
    assert len(lines_of(out)) == 2
    expected = f"standard input:1 was translated, but {warns} seems to name a column"
    assert (expected in warnings) == bool(warns)
    assert ("seems to name" in warnings) == bool(warns)


def test_a_complete_output_is_not_resumed(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("A dog.\n")
    output.write_text("complete\n")
    command = ("translate", run, source, "--output", output)
    _, warning = call(*command, "--resume")
    assert warning.startswith(f"{output} is complete, and nothing is left to resume")
    assert output.read_text() == "complete\n"
    (tmp_path / "out.txt.partial").write_text("")
    call(*command, "--resume")
    assert output.read_text() != "complete\n"


def test_an_output_that_is_an_input_is_named_once(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("A dog.\n")
    _, error = call("translate", run, source, "--output", source)
    assert error.startswith(f"{source} is an input of this command: writing would")
    checkpoint = run / "checkpoints" / "best.ckpt"
    _, error = call("translate", run, source, "--output", checkpoint)
    assert error.startswith(
        f"{checkpoint} is an input in {run / 'checkpoints'} of this"
    )
