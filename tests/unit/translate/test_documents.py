"""Documents: all but the text is written as it was."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from seq2seq.errors import UserError
from seq2seq.translate.documents.read import read_document
from seq2seq.translate.documents.running_text import CueText, cue_pieces
from seq2seq.translate.formats import Format

CUES = (
    b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:04,000 X1:10 X2:20\r\n"
    b"{\\an8}<i>the man buys\r\na red car</i>\r\n\r\n"
    b"7\r\n00:00:05,000 --> 00:00:06,000\r\n- the <b>dog</b> sleeps\r\n- no\r\n \r\n"
    b"8\r\n00:00:07,000 --> 00:00:08,000\r\n\r\n\r\n"
    b"9\r\n00:00:09,000 --> 00:00:10,000\r\n\xe2\x99\xaa la la \xe2\x99\xaa"
)
WEB = (
    "WEBVTT - x\nKind: captions\n\nNOTE a --b\nnote\n\nSTYLE\n::cue { color: red }\n\n"
    "id\n00:01.000 --> 00:04.000 align:start\n<v Anna>a &amp; <c.x>b</c>\n\n"
    "00:05.000 --> 1000:00:06.000\n...\n"
)


def shout(data: bytes, kind: Format, column: str | None = None) -> bytes:
    """Write a document whose translations are its texts in capitals."""
    document = read_document(data, "in", kind, column=column, new_column="new")
    return document.render([text.upper() for text in document.texts])


def test_a_subtitle_file_keeps_all_but_its_texts() -> None:
    expected = CUES
    for text in (b"the man buys", b"a red car", b"dog", b"- the", b"sleeps", b"- no"):
        expected = expected.replace(text, text.upper())
    assert shout(CUES, "srt") == expected.replace(b"la la", b"LA LA")
    shouted = WEB.replace("a &amp;", "A &amp;").replace("b</c>", "B</c>")
    assert shout(WEB.encode(), "vtt").decode() == shouted


def test_time_grows_with_the_spaces_of_a_line_not_with_their_square() -> None:
    for line in ("a" + " " * 10**6 + "b", " " * 10**6 + "b", "<i>" + " " * 10**6 + "b"):
        (piece, _) = cue_pieces([line + "\n"], 1, escaped=False)
        assert not isinstance(piece, str)
        assert piece.text.split() == line.removeprefix("<i>").split()


def test_a_subtitle_has_one_text_but_each_speaker_has_an_own() -> None:
    document = read_document(CUES, "in", "srt", column=None, new_column="new")
    assert document.texts == ["the man buys a red car", "the dog sleeps", "no", "la la"]
    assert document.lines == [3, 8, 9, 17]
    assert document.render([""] * 4) == CUES


@pytest.mark.parametrize("num_words", range(1, 9))
def test_tags_stay_in_order_around_a_word_however_long_a_translation_is(
    num_words: int,
) -> None:
    tags = [("<i>", 0), ("<b>", 1), ("</b>", 2), ("<u>", 3), ("</u>", 4), ("</i>", 4)]
    cue = CueText("a b c d", 1, "", "", tags, 2, "\n", escaped=False)
    text = cue.render(" ".join("w" * num_words))
    assert re.findall("<.*?>", text) == [tag for tag, _ in tags]
    assert text.count("\n") == (num_words > 1)
    assert re.sub("<.*?>", "", text).split() == ["w"] * num_words
    assert text.startswith("<i>") and text.endswith("</i>")  # noqa: PT018
    assert "<b></b>" not in text


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("srt", "1\n00:01 --> 00:02\na\n", "in:2: a subtitle needs its times, such as"),
        ("srt", "1\n", "in:2: a subtitle needs its times, such as 00:00:01,000"),
        ("srt", CUES.decode() + "\n\nb\n", "in:19: a subtitle begins with its number"),
        ("srt", "\n1\n00:00:01,0 --> 00:00:02,0\na\0\n", "in is no UTF-8 text: it has"),
        ("vtt", "1\n00:00:01,0 --> 00:00:02,0\na\n", "in:1: WebVTT begins with"),
        ("vtt", "", "in is empty"),
        ("vtt", "WEBVTT\n\nNOTE\n\nword\n", "in:5: a subtitle needs its times"),
        (
            "vtt",
            "WEBVTT\n\na\n00:01,000 --> 00:02,000\nb",
            "in:4: a subtitle needs its",
        ),
        ("csv", 'a;b\n1;"2\n', "in:2: unexpected end of data"),
        ("csv", "a;b\n1;2\n3\n", "in:3: the row has 1 cell, but the first has 2"),
        ("csv", "x,b\n1,2\n", "in: there is no column 'a' among x, b."),
        ("csv", "a,new\n1,2\n", "in: there is a column 'new' already."),
        ("csv", "\n", "in is empty"),
        ("csv", f"a,b\n{'x' * 200_000},1\n", "in:1: field larger than field limit"),
        ("xlsx", "a,b\n", "in is no sound archive: File is not a zip file"),
    ],
)
def test_a_damaged_document_is_refused_with_its_line(
    kind: Format, text: str, says: str
) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        shout(text.encode(), kind, "a")
    with pytest.raises(UserError, match="in:2: byte 0xe9 is not UTF-8"):
        shout(b"1\ncaf\xe9\n", "srt")


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("\ufeffa;b\r\n1;x\r\n", "b", "\ufeffa;b;new\r\n1;x;X\r\n"),
        ('"a","b"\n"1","x ""y"""', "b", '"a","b","new"\n"1","x ""y""","X ""Y"""'),
        (
            'a\tb\n"x, y\nz"\t\n\n\t\n',
            "a",
            'a\tb\tnew\n"x, y\nz"\t\t"X, Y\nZ"\n\n\t\t\n',
        ),
        ("x, y;1,5\nz, 2;3\n", "1", "x, y;1,5;X, Y\nz, 2;3;Z, 2\n"),
        ("a\nx\n", "a", 'a,new\n"x",X\n'.replace('"', "")),
        ("a|b\n7|x\n", "a", "a|b|new\n7|x|7\n"),
    ],
)
def test_csv_keeps_its_delimiter_quotes_and_line_ends(
    text: str, column: str, expected: str
) -> None:
    assert shout(text.encode(), "csv", column).decode() == expected


def test_xlsx_keeps_all_but_the_new_cells() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    chart = pytest.importorskip("openpyxl.chart").BarChart()
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [["Nr.", "en", "n"], [1, "a <dog>", 2], [2, "x\ny", 3], [3, None, 4]]:
        sheet.append(row)
    sheet["C5"] = "=SUM(C2:C4)"
    sheet["B2"].font = openpyxl.styles.Font(bold=True)
    sheet["D3"].font = sheet["F3"].font = openpyxl.styles.Font(italic=True)
    sheet.merge_cells("A6:C6")
    chart.add_data(openpyxl.chart.Reference(sheet, min_col=3, min_row=1, max_row=4))
    sheet.add_chart(chart, "H2")
    book.create_sheet("other")["A1"] = "en?"
    stream = io.BytesIO()
    book.save(stream)
    data = shout(stream.getvalue(), "xlsx", "en")
    before, after = (zipfile.ZipFile(io.BytesIO(b)) for b in (stream.getvalue(), data))
    assert before.namelist() == after.namelist()
    changed = [n for n in before.namelist() if before.read(n) != after.read(n)]
    assert changed == ["xl/worksheets/sheet1.xml"]
    read = openpyxl.load_workbook(io.BytesIO(data))["Sheet"]
    column = [read.cell(row, 4).value for row in range(1, 7)]
    assert column == ["new", "A <DOG>", "X\nY", None, None, None]
    assert read["D2"].font.bold
    assert read["F3"].font.italic
    assert read["C5"].value == "=SUM(C2:C4)"
    assert read.dimensions == "A1:F6"
    assert re.search(rb'(?s)<c r="D3".*<c r="F3"', after.read(changed[0]))


def test_a_damaged_workbook_is_refused_before_anything_is_translated() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for number in range(50):
        book.active.append(["a", f"x {number}"])
    book.save(stream)
    data = stream.getvalue()
    for info in zipfile.ZipFile(io.BytesIO(data)).infolist():
        start = info.header_offset + 30 + len(info.filename)
        for at in (start + 8, start + info.compress_size - 4):
            damaged = bytearray(data)
            damaged[at] ^= 0xFF
            with pytest.raises(UserError, match="cannot be read as XLSX"):
                read_document(bytes(damaged), "in", "xlsx", column="1", new_column="b")
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(30 << 20))
    with pytest.raises(UserError, match="would unpack to 30 MiB"):
        shout(stream.getvalue(), "xlsx", "1")


def test_lines_of_a_paragraph_are_translated_together_and_wrapped_as_they_were() -> (
    None
):
    text = "One line.\r\n\r\n  a bc\r\n  def\r\n\r\n- one\r\n- two\r\n  three\r\n"
    text += "我们\r\n是"
    document = read_document(
        text.encode(), "in", "paragraphs", column=None, new_column=""
    )
    assert document.texts == ["One line.", "a bc def", "one", "two three 我们是"]
    translations = ["Two words!", "a bcd ef", "eins", "zwei drei vier"]
    assert document.render(translations).decode() == (
        "Two words!\r\n\r\n  a\r\n  bcd\r\n  ef\r\n\r\n- eins\r\n- zwei\r\n  drei\r\n"
        "  vier"
    )
