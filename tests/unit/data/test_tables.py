"""TSV as spreadsheets export it: refused until the recipe says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seq2seq.data.preprocessing import preprocess
from seq2seq.data.splits import training_corpora
from seq2seq.utils.files import write_lines
from tests.helpers.corpora import (
    CHARACTERS,
    PAIRS,
    complaint,
    data_options,
    opened,
    pairs,
    write_json,
    write_split,
)

ROWS = [("English", "Deutsch"), ("A dog.", "Ein Hund."), ('Say "no"!', "Sag nein!")]


def write_export(folder: Path, rows: list[Any], name: str = "train.en-de.tsv") -> Path:
    """Write a file as Excel does: byte-order mark, quotes, CRLF."""
    lines = [
        "\t".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows
    ]
    path = folder / name
    path.write_bytes("\ufeff".encode() + "".join(f"{n}\r\n" for n in lines).encode())
    return path


def options_in(message: str) -> dict[str, bool]:
    """The options that a message says to add."""
    words = [part.split("=") for part in message.split("-o data.")[1:]]
    return {key: value.startswith("true") for key, value in words}


def test_an_export_is_refused_with_options_that_read_it(tmp_path: Path) -> None:
    path = write_export(tmp_path, ROWS)
    message = complaint(tmp_path)
    assert message == (
        f"{path}: its cells are in quotes and line 1 names columns, 'English' and "
        "'Deutsch', as spreadsheets write them. Add -o data.header=true -o "
        "data.quoted=true; what is text after all is false instead of true."
    )
    options = {"header": True, "quoted": True}
    assert pairs(tmp_path, **options) == ROWS[1:]
    back = pairs(tmp_path, source="de", target="en", **options)
    assert back == [(target, source) for source, target in ROWS[1:]]


def test_a_header_of_other_words_is_left_to_the_user(tmp_path: Path) -> None:
    path = write_export(tmp_path, [("Lepo", "Kala"), *ROWS[1:]])
    message = complaint(tmp_path)
    assert message.startswith(
        f"{path}: its cells are in quotes, as spreadsheets write them. Add -o "
        "data.quoted=true, and -o data.header=true if line 1, 'Lepo' and 'Kala', "
        "names columns; "
    )
    assert complaint(tmp_path, quoted=True) == (
        f"{path}: does line 1, 'Lepo' and 'Kala', name columns? Add -o "
        "data.header=true, or -o data.header=false if it is a pair."
    )
    assert len(pairs(tmp_path, quoted=True, header=False)) == 3
    assert pairs(tmp_path, quoted=True, header=True) == ROWS[1:]


@pytest.mark.parametrize(
    "header",
    [
        *("en\tde", "Source\tTarget", "EN\tDE", "Englisch\tDeutsch", "id\ten"),
        *("sentence_en\tsentence_de", "en-US\tde-DE", "Source (en)\tTarget (de)"),
        "English text\tGerman text",
    ],
)
def test_a_header_without_quotes_is_refused_too(tmp_path: Path, header: str) -> None:
    write_lines(tmp_path / "train.tsv", [header, "A dog.\tEin Hund."])
    message = complaint(tmp_path)
    assert "line 1 names columns" in message
    assert options_in(message) == {"header": True}
    assert pairs(tmp_path, header=True) == [("A dog.", "Ein Hund.")]
    assert len(pairs(tmp_path, header=False)) == 2


def test_quotes_that_are_doubled_in_one_cell_are_an_exports(tmp_path: Path) -> None:
    rows = ["A dog.\tEin Hund."] * 20 + ['"Say ""no""!"\tSag nein!']
    write_lines(tmp_path / "train.tsv", rows)
    assert "its cells are in quotes" in complaint(tmp_path)
    assert pairs(tmp_path, quoted=True, header=False)[-1] == ROWS[-1]
    assert pairs(tmp_path, quoted=False)[-1] == ('"Say ""no""!"', "Sag nein!")


def test_quotes_of_the_text_are_text(tmp_path: Path) -> None:
    rows = ['"No," he said, "no."\t"Nein."', '"Yes."\t"Ja."', "A dog.\tEin Hund."]
    write_lines(tmp_path / "train.tsv", [*rows, '"\t""'])
    assert pairs(tmp_path)[:2] == [
        ('"No," he said, "no."', '"Nein."'),
        ('"Yes."', '"Ja."'),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        ['"A dog."\tEin Hund.'] * 4,
        ["A dog.\tEin Hund.", *['"A dog."\t"Ein Hund."'] * 12],
        ['"A dog." \t "Ein Hund."'] * 2,
        [*['"Yes, the cat."\t"Ja, die Katze."'] * 2, *["A dog.\tEin Hund."] * 5],
        [*["A dog.\tEin Hund."] * 200, '"Say ""no""!"\tSag nein!'],
    ],
    ids=["one column", "but one cell", "spaced", "only with commas", "late"],
)
def test_quotes_of_an_export_are_refused(tmp_path: Path, rows: list[str]) -> None:
    write_lines(tmp_path / "train.tsv", rows)
    assert "its cells are in quotes" in complaint(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        [*['"Yes, sir."\t"Ja, Herr."'] * 3, "No, sir.\tNein, Herr."],
        [*['"Yes, sir."\t"Ja, Herr."'] * 3, '"Yes."\t"Ja."', "No.\tNein."],
        ['"Yes, sir."\t"Ja, Herr."', *["No.\tNein."] * 9],
        [*['"Yes."\tJa.'] * 8, *["No.\tNein."] * 2],
    ],
)
def test_dialogue_in_quotes_is_text(tmp_path: Path, rows: list[str]) -> None:
    write_lines(tmp_path / "train.tsv", rows)
    assert len(pairs(tmp_path)) == len(rows)


def test_spaces_around_quotes_are_none_of_the_text(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.tsv", ['"A dog."\t "Ein Hund."'] * 2)
    options = {"quoted": True, "header": False}
    assert pairs(tmp_path, **options) == [("A dog.", "Ein Hund.")] * 2


@pytest.mark.parametrize("first", ["#", "", "Unnamed: 0"])
def test_numbers_of_rows_are_not_trained_on(tmp_path: Path, first: str) -> None:
    rows = [f"{n}\tA dog.\tEin Hund." for n in range(4)]
    write_lines(tmp_path / "train.tsv", rows)
    message = complaint(tmp_path)
    assert "its first column counts the rows, and would be trained on" in message
    assert "first column" in complaint(tmp_path, header=False, quoted=False)
    names = ("en", "de") if first.isalpha() else ("sentence_en", "Text (de)")
    write_lines(tmp_path / "train.tsv", ["\t".join((first, *names)), *rows])
    assert "-o data.header=true" in complaint(tmp_path)
    assert pairs(tmp_path, header=True) == [("A dog.", "Ein Hund.")] * 4
    others = [f"{n}\tA dog.\tEin Hund." for n in (1, 2, 4)]
    write_lines(tmp_path / "train.tsv", others)
    assert pairs(tmp_path)[2] == ("4", "A dog.")


def test_a_header_of_a_first_column_without_a_name_is_refused(tmp_path: Path) -> None:
    for first in ("#", ""):
        rows = [f"{first}\tEnglish\tGerman", "x\tA dog.\tEin Hund."]
        write_lines(tmp_path / "train.tsv", rows)
        assert "line 1 names columns, 'English' and 'German'" in complaint(tmp_path)


def test_names_of_languages_are_to_be_replaced_by_codes(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    write_lines(path, ["English\tGerman\t#", "A dog.\tEin Hund.\t1"])
    assert complaint(tmp_path, header=True) == (
        f"{path}:1: of the columns 'English', 'German', '#', none is called en and "
        "none de. Name those of the sentences en and de."
    )


def test_lines_that_end_in_carriage_returns_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"A dog.\tEin Hund.\rA cat.\tEine Katze.\r")
    message = complaint(tmp_path)
    assert "its lines end in carriage returns alone" in message
    assert "tr '\\r' '\\n'" in message
    (tmp_path / "train.tsv").write_bytes(b"A\rdog.\tEin Hund.\r\n")
    assert pairs(tmp_path) == [("A\rdog.", "Ein Hund.")]


def test_a_cell_that_is_too_long_is_named_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    write_lines(path, ['"a"\t"b"', '"c\t"d"', *["A dog.\tEin Hund."] * 9000])
    assert complaint(tmp_path, header=False, quoted=True).startswith(f"{path}:2: ")
    write_lines(path, ['"a"\t"b"', '"c', *["A dog.\tEin Hund."] * 9000])
    assert complaint(tmp_path, header=False, quoted=True) == (
        f"{path}:2: a cell that begins here has more than 131,072 characters. Close "
        "its quotes, or shorten it."
    )


@pytest.mark.realdata
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_tatoeba_is_no_export(real_data: Path, split: str) -> None:
    assert pairs(real_data / "tatoeba", split=split)


def test_a_header_names_the_columns_to_read(tmp_path: Path) -> None:
    rows = [("Nr.", "DE", "Note", "en"), ("1", "Ein Hund.", "", "A dog.")]
    write_export(tmp_path, rows)
    assert pairs(tmp_path, header=True, quoted=True) == [("A dog.", "Ein Hund.")]
    path = write_export(
        tmp_path, [("Nr.", "Englisch", "de"), ("1", "A dog.", "Ein Hund.")]
    )
    assert complaint(tmp_path, header=True, quoted=True) == (
        f"{path}:1: of the columns 'Nr.', 'Englisch', 'de', none is called en. Name "
        "those of the sentences en and de."
    )


def test_a_cell_may_go_over_lines_and_hold_a_tab(tmp_path: Path) -> None:
    write_export(tmp_path, [ROWS[0], ("A\tbig\ndog.", "Ein Hund.")])
    assert pairs(tmp_path, header=True, quoted=True) == [("A\tbig dog.", "Ein Hund.")]


def test_quotes_that_do_not_close_are_named_with_their_line(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.tsv", ['"a"\t"b"', '"c" d\t"e"'])
    message = complaint(tmp_path, header=False, quoted=True)
    assert message.startswith(f"{tmp_path / 'train.tsv'}:2: ")
    assert "must be doubled" in message


def test_options_of_tables_are_refused_where_they_would_be_ignored(
    tmp_path: Path,
) -> None:
    folder = write_split(tmp_path / "text", "train", PAIRS[:2])
    assert complaint(folder, header=True) == (
        f"data.header is true, but only TSV files have one, not {folder / 'train.en'}. "
        "Remove data.header."
    )
    assert complaint("phrasebook", quoted=False).endswith("Remove data.quoted.")
    write_json(tmp_path / "train.jsonl", [{"en": "a", "de": "b"}])
    assert complaint(tmp_path, quoted=True).endswith("Remove data.quoted.")


def test_a_fingerprint_changes_with_what_is_read(tmp_path: Path) -> None:
    write_export(tmp_path, ROWS)
    fingerprints = [
        opened(tmp_path, header=header, quoted=quoted).fingerprint
        for header in (None, False, True)
        for quoted in (None, False, True)
    ]
    assert len(set(fingerprints)) == 4  # None reads as False does.
    contents = {opened(tmp_path, header=header).content for header in (None, True)}
    assert len(contents) == 1


def test_corpora_of_a_mixture_have_options_of_their_own(tmp_path: Path) -> None:
    main = write_split(tmp_path / "main", "train", [("a", "b")])
    (tmp_path / "export").mkdir()
    path = write_export(tmp_path / "export", ROWS)
    mixed = {"path": str(path.parent), "header": True, "quoted": True}
    corpora = training_corpora(data_options(main, mix=[mixed]))
    assert [list(corpus.read()) for corpus in corpora] == [[("a", "b")], ROWS[1:]]


def test_a_training_on_an_export_stops_before_it_trains(tmp_path: Path) -> None:
    write_export(tmp_path, ROWS)
    with pytest.raises(ValueError, match=r"-o data\.header=true -o data\.quoted=true"):
        preprocess(data_options(tmp_path), CHARACTERS, lambda line: None)
    options = data_options(tmp_path, header=True, quoted=True)
    assert preprocess(options, CHARACTERS, lambda line: None).stats.kept == 2
