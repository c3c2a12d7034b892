"""Files of other programs become a corpus; every row that does not is listed."""

from __future__ import annotations

import gc
import gzip
import json
import zipfile
from pathlib import Path
from xml.etree.ElementTree import Element

import openpyxl
import pytest

from seq2seq.data.corpora import open_corpus
from seq2seq.errors import UserError
from seq2seq.prepare import translation_memories
from seq2seq.prepare.import_files import ImportedCorpus, import_files, write_import
from seq2seq.prepare.raw_pairs import ImportOptions
from tests.helpers.cli import invoke

SHEETS = Path(__file__).resolve().parents[4] / "shared" / "data" / "spreadsheet"
ROWS = [
    ("The man is not here.", "Der Mann ist nicht hier."),
    ("We have the red car, and you?", "Wir haben das rote Auto, und ihr?"),
    ('He says "no" to that.', 'Er sagt "nein" dazu.'),
    ("It was in the house of my friend.", "Es war im Haus von meinem Freund."),
]


def imported(path: Path, content: bytes | str, **options: object) -> ImportedCorpus:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return import_files([path], ImportOptions(**options))  # type: ignore[arg-type]


def texts(corpus: ImportedCorpus) -> list[tuple[str, str]]:
    return [(source, target) for source, target, _ in corpus.pairs]


def table(delimiter: str, end: str, header: str = "") -> str:
    def cell(text: str) -> str:
        special = delimiter in text or '"' in text
        return '"' + text.replace('"', '""') + '"' if special else text

    lines = [delimiter.join(map(cell, row)) for row in ROWS]
    return "".join(line + end for line in ([header] if header else []) + lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found_out(
    tmp_path: Path, delimiter: str, end: str
) -> None:
    header = f"English{delimiter}Deutsch"
    corpus = imported(tmp_path / "a.csv", table(delimiter, end, header))
    assert (corpus.languages, texts(corpus)) == (("en", "de"), ROWS)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1250"]
)
def test_encodings_are_found_out_or_given(tmp_path: Path, encoding: str) -> None:
    content = "anglais;allemand\nThe year.;Das Jahr läuft für Ärzte.\n"
    given = encoding if encoding == "cp1250" else None
    corpus = imported(tmp_path / "a.csv", content.encode(encoding), encoding=given)
    assert texts(corpus) == [("The year.", "Das Jahr läuft für Ärzte.")]
    assert any(encoding.removesuffix("-sig") in note for note in corpus.notes)


def test_without_a_header_the_words_say_the_languages(tmp_path: Path) -> None:
    corpus = imported(tmp_path / "a.tsv.gz", table("\t", "\n"))
    assert (corpus.languages, texts(corpus)) == (("en", "de"), ROWS)
    assert "en by its words" in corpus.notes[-1]
    assert "row 1 is a pair" in corpus.notes[-1]


def test_the_source_is_the_one_that_is_named(tmp_path: Path) -> None:
    for options in ({"source": "de"}, {"target": "en"}, {"columns": "2,1"}):
        corpus = imported(tmp_path / "a.csv", table(";", "\n"), **options)
        assert corpus.languages == ("de", "en")
        assert texts(corpus)[0] == ROWS[0][::-1]


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("Nr.;Englisch;Deutsch;Bemerkung", ("en", "de")),
        ("id;inglés;alemán;notes", ("en", "de")),
        ("#;en-GB;de_DE;", ("en", "de")),
        ("no;Text (de);Yorùbá;file", ("de", "yo")),
        ("nr;ENGLISH;Kuvale;note", None),
    ],
)
def test_columns_are_called_after_languages(
    tmp_path: Path, header: str, languages: tuple[str, str] | None
) -> None:
    rows = "".join(f"{n};The man {n} is here.;ndi {n} kuvu;x\n" for n in range(1, 9))
    if languages is None:
        with pytest.raises(UserError, match="--target CODE"):
            imported(tmp_path / "a.csv", f"{header}\n{rows}")
        corpus = imported(tmp_path / "a.csv", f"{header}\n{rows}", target="x-kuvale")
        languages = ("en", "x-kuvale")
    else:
        corpus = imported(tmp_path / "a.csv", f"{header}\n{rows}")
    assert corpus.languages == languages
    assert texts(corpus)[7] == ("The man 8 is here.", "ndi 8 kuvu")
    assert corpus.num_rows == 8


def test_the_line_that_tells_excel_the_delimiter_is_no_pair(tmp_path: Path) -> None:
    content = "sep=;\r\n" + table(";", "\r\n", "Englisch;Deutsch")
    corpus = imported(tmp_path / "a.csv", content)
    assert (texts(corpus), corpus.left_out) == (ROWS, [])


def test_half_a_character_is_left_out_and_listed(tmp_path: Path) -> None:
    content = "en\tde\nThe dog \\ud83d\tDer Hund\n" + table("\t", "\n")
    corpus = imported(tmp_path / "a.tsv", content, encoding="unicode_escape")
    assert texts(corpus) == ROWS
    write_import(corpus, tmp_path / "out")
    assert "The dog ?" in (tmp_path / "out" / "left_out.tsv").read_text("utf-8")


def test_a_damaged_row_swallows_no_other(tmp_path: Path) -> None:
    content = 'English,Deutsch\na one,ein a\n"an open,quote\nb two,ein b\nc\n,\n'
    content += 'd,ein, d\n"e ""5"" five","mit\nZeile"\nf \0 six,ein f\n,blank\n'
    corpus = imported(tmp_path / "a.csv", content)
    assert texts(corpus) == [
        ("a one", "ein a"),
        ("b two", "ein b"),
        ('e "5" five', "mit Zeile"),
        ("f \ufffd six", "ein f"),
    ]
    assert [(raw.origin, raw.reason) for raw in corpus.left_out] == [
        ("a.csv:3", "a quote is not closed, or not doubled"),
        ("a.csv:5", "it has 1 cell only"),
        ("a.csv:7", "it has 3 cells, where 2 are columns"),
        ("a.csv:11", "the source is blank"),
    ]


_DEEP_TMX = b'<tmx><tu><tuv lang="en"><seg>%b</seg></tuv></tu></tmx>' % (
    b"<hi>" * 3000 + b"</hi>" * 3000
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"just one column\nof lines\n", "one column only"),
        ("a.csv", b"English;Deutsch\n", "no rows of sentences"),
        ("a.csv", "a;b\n".encode("utf-16-le") * 9, "--encoding utf-16-le"),
        ("a.csv", b"\x81;\xff\n", "Name its --encoding"),
        ("a.csv", b"x" * (1 << 21), "more than 1,048,576 characters"),
        ("a.xlsx", b"no archive", "no sound archive"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0rest", "password"),
        ("a.tmx", b"<tmx><bo", "no sound TMX"),
        ("a.tmx", _DEEP_TMX, "no sound TMX"),
        ("a.po", b"\0\1\2", "a.po"),
        ("a.zip", b"PK", "no sound archive"),
        ("a.ods", b"", "Save it as .xlsx"),
        ("a.csv.gz", None, "damaged"),
    ],
)
def test_what_is_no_corpus_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    (tmp_path / name).write_bytes(content if content is not None else b"no gzip")
    status, out, errors = invoke(
        "data", "import", str(tmp_path / name), str(tmp_path / "out")
    )
    assert (status, out, errors.count("\n")) == (1, "", 1), errors
    assert message in errors
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Notes"
    book.active.append(["only a remark"])
    sheet = book.create_sheet("Pairs")
    sheet.append(["Deutsch", "English"])
    for source, target in ROWS:
        sheet.append([target, source])
    sheet.append(["=A1", "a formula without a value"])
    sheet.append([12, 2.5])
    sheet.append(["#N/A", "an error"])
    sheet.append([])
    sheet.append(["verbunden", None])
    sheet.merge_cells("A10:B10")
    book.create_sheet("Empty")
    book.save(path)
    return path


def test_the_sheet_with_languages_is_read(tmp_path: Path) -> None:
    corpus = import_files([workbook(tmp_path / "a.xlsx")])
    assert corpus.languages == ("de", "en")
    assert texts(corpus) == [*(row[::-1] for row in ROWS), ("12", "2.5")]
    assert "not read: 'Notes'" in corpus.notes[0]
    reasons = {raw.origin: raw.reason for raw in corpus.left_out}
    assert reasons == {
        "a.xlsx:6": "the source is blank",
        "a.xlsx:8": "a cell is the error #N/A",
        "a.xlsx:10": "the target is blank",
    }


def test_bombs_and_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (64 << 20))
    with pytest.raises(UserError, match="would unpack to 64 MiB"):
        import_files([path])
    memory = tmp_path / "a.tmx"
    memory.write_text('<!DOCTYPE a [<!ENTITY b "boom">]><tmx><tu>&b;</tu></tmx>')
    with pytest.raises(UserError, match="no sound TMX"):
        import_files([memory])


def test_translation_memories_are_read_without_their_markup(tmp_path: Path) -> None:
    units = "".join(
        f'<tu><tuv xml:lang="de-DE"><seg>{target}</seg></tuv>'
        f'<tuv xml:lang="EN"><seg><bpt i="1">&lt;b></bpt>{source}<ept i="1"/></seg>'
        "</tuv></tu>"
        for source, target in ROWS
    )
    header = '<?xml version="1.0"?><tmx version="1.4"><header srclang="en-US"/><body>'
    single = '<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>'
    corpus = imported(tmp_path / "a.tmx", f"{header}{units}{single}</body></tmx>")
    assert (corpus.languages, texts(corpus)) == (("en", "de"), ROWS)
    assert [raw.reason for raw in corpus.left_out] == ["the target is blank"]


def test_of_a_translation_memory_no_unit_stays_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    unit = '<tu><tuv xml:lang="en"><seg>a</seg></tuv></tu>'
    path.write_text(f'<tmx><header srclang="en"/><body>{unit * 5000}</body></tmx>')
    units = translation_memories._units(path)
    assert len([next(units) for _ in range(4900)]) == 4900
    held = sum(type(thing) is Element for thing in gc.get_objects())
    assert held < 3 * 2000  # The parser reads ahead by some hundred units.


def test_messages_of_gettext_are_pairs(tmp_path: Path) -> None:
    content = (
        'msgid ""\nmsgstr "Language: de\\nContent-Type: text/plain; charset=UTF-8\\n"\n'
        '\nmsgid "The file is not in this folder."\nmsgstr "Die Datei fehlt hier."\n'
        '\n#, fuzzy\nmsgid "You have it."\nmsgstr "Hast du."\n'
        '\nmsgid "one of the files"\nmsgid_plural "all of the files"\n'
        'msgstr[0] "eine"\nmsgstr[1] "alle"\n\nmsgid "open"\nmsgstr ""\n'
    )
    corpus = imported(tmp_path / "a.po", content)
    assert corpus.languages == ("en", "de")
    assert [source for source, _ in texts(corpus)] == [
        "The file is not in this folder.",
        "one of the files",
        "all of the files",
    ]
    assert [raw.reason for raw in corpus.left_out] == [
        "it is marked as fuzzy",
        "the target is blank",
    ]


def test_two_text_files_and_an_archive_of_opus_are_the_same(tmp_path: Path) -> None:
    for side, language in enumerate(("en", "de")):
        text = "".join(f"{row[side]}\n" for row in ROWS)
        (tmp_path / f"x.de-en.{language}").write_text(text, encoding="utf-8")
    files = [tmp_path / "x.de-en.en", tmp_path / "x.de-en.de"]
    plain = import_files(files)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in files:
            archive.write(path, path.name)
        archive.writestr("README", "text")
        archive.writestr("../../escape.en", "text")
    packed = import_files([tmp_path / "x.zip"], ImportOptions(source="en"))
    assert plain.languages == packed.languages == ("en", "de")
    assert texts(plain) == texts(packed) == ROWS
    files[1].write_text("one line\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"has 4 lines but x\.de-en\.de has 1"):
        import_files(files)


def test_files_of_the_same_name_are_all_remembered(tmp_path: Path) -> None:
    paths = [tmp_path / name / "pairs.csv" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(table(";", "\n", "Englisch;Deutsch"))
    assert len(import_files(paths).files) == 2


def test_what_is_written_is_what_recipes_read(tmp_path: Path) -> None:
    content = "English\tDeutsch\tKapitel\n" + "".join(
        f"{source}\t{target}\t1\n" for source, target in ROWS
    )
    corpus = imported(tmp_path / "a.tsv", content + "alone\t\t2\n")
    write_import(corpus, tmp_path / "out")
    read = open_corpus(str(tmp_path / "out"), source="de", target="en", split="train")
    assert list(read.read()) == [row[::-1] for row in ROWS]
    data = json.loads((tmp_path / "out" / "data.json").read_text(encoding="utf-8"))
    assert (data["languages"], data["pairs"]) == (["en", "de"], {"train": 4})
    left_out = (tmp_path / "out" / "left_out.tsv").read_text(encoding="utf-8")
    assert left_out == "row\treason\ten\tde\na.tsv:6\tthe target is blank\talone\t\n"
    with pytest.raises(UserError, match="is there already"):
        write_import(corpus, tmp_path / "out")


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["sentences.csv", "sentences.xlsx"])
def test_a_spreadsheet_of_6240_rows_loses_none_without_a_reason(name: str) -> None:
    if not (SHEETS / name).exists():
        pytest.skip("needs the real corpora")
    corpus = import_files([SHEETS / name])
    assert corpus.languages == ("en", "de")
    assert (len(corpus.pairs), len(corpus.left_out)) == (6209, 31)
