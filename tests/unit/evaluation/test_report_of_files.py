"""Reports of files of hypotheses: what their pages say, and how."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from seq2seq.errors import UserError
from seq2seq.evaluation import html as page
from seq2seq.evaluation.builder import build_report, write_report
from seq2seq.evaluation.console import print_summary
from seq2seq.evaluation.figures import comparison_figures
from seq2seq.evaluation.html import render_html
from seq2seq.evaluation.markdown import latex, render_markdown
from seq2seq.evaluation.report_files import FILES
from seq2seq.evaluation.schema import METRIC_NAMES, Report, metric_meaning
from seq2seq.evaluation.summary import summary_lines
from seq2seq.evaluation.systems import ReportRequest

REFERENCES = [f"Die Frau sieht {number} rote Hunde im Garten." for number in range(40)]
ONE = [line.replace(" rote", "") for line in REFERENCES]
OTHER = [line.replace("Die Frau", "Ein Mann") for line in REFERENCES]
NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}


def request(
    folder: Path, *systems: list[str], comet: float | None = None, source: bool = False
) -> ReportRequest:
    def write(name: str, lines: list[str]) -> Path:
        path = folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    scores = [f"{comet}{number % 10}" for number in range(40)]
    return ReportRequest(
        [str(write(f"system{i}", lines)) for i, lines in enumerate(systems, 1)],
        source=write("source", REFERENCES) if source else None,
        references=[write("reference", REFERENCES)],
        language="de",
        segment_scores=[]
        if comet is None
        else [f"comet={write('comet', scores)}"] * len(systems),
        n_bootstrap=50,
        n_trials=50,
    )


def build(folder: Path, *systems: list[str], **options: object) -> Report:
    return build_report(
        request(folder, *systems, **options),  # type: ignore[arg-type]
        date="today",
        full=True,
        log=str,
    )


def terminal(report: Report) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_summary(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def texts(report: Report) -> dict[str, str]:
    """Return all that people read, tags removed."""
    shown = re.sub(
        r"<(style|script)>.*?</\1>", "", render_html(report, full=True), flags=re.S
    )
    return {
        "html": unescape(re.sub(r"<[^>]+>", "", shown)),
        "markdown": render_markdown(report),
        "terminal": terminal(report),
    }


def test_every_page_names_chrf_alike_and_explains_every_metric(tmp_path: Path) -> None:
    report = build(tmp_path, ONE, comet=0.81)
    assert METRIC_NAMES == NAMES
    assert "|nw:0|" in report.systems[0].scores["chrf"].signature
    for text in texts(report).values():
        assert "chrF++" not in text
        for metric in report.metrics:
            first_words = metric_meaning(metric).split(";")[0]
            assert first_words in text, metric


def test_an_interval_has_its_scores_digits(tmp_path: Path) -> None:
    report = build(tmp_path, ONE, comet=0.81)
    markdown, shown, table = render_markdown(report), texts(report), latex(report)
    digits = {"bleu": (2, 1), "chrf": (2, 1), "ter": (2, 1), "comet": (4, 3)}
    for metric, (full, short) in digits.items():
        result = report.systems[0].scores[metric]
        score, low, high = (
            f"{number:.{full}f}" for number in (result.score, *result.interval)
        )
        assert f"{score} [{low}, {high}]" in markdown
        assert f"{score}{low} to {high}" in shown["html"]
        assert score in shown["terminal"]
        assert f"{low} to {high}" in shown["terminal"]
        score, low, high = (
            f"{number:.{short}f}" for number in (result.score, *result.interval)
        )
        assert rf"{score} {{\small [{low}, {high}]}}" in table
        for text in (shown["html"], shown["terminal"]):
            assert f"{score} ({low} to {high})" in text


def test_a_difference_has_as_many_digits_as_its_interval(tmp_path: Path) -> None:
    report = build(tmp_path, ONE, OTHER, comet=0.81)
    markdown = render_markdown(report)
    assert "| comet | 0.0000 [0.0000, 0.0000] |" in markdown
    assert "0.00000.0000 to 0.0000" in texts(report)["html"]


def test_identical_systems_are_called_identical(tmp_path: Path) -> None:
    report = build(tmp_path, ONE, list(ONE), OTHER)
    same, different = report.comparisons
    assert (same.identical, different.identical) == (True, False)
    for name, text in texts(report).items():
        assert "system2 and system1 are identical: all 40 translations" in text, name
        assert "system2 against system1: " not in text, name
        assert "system3 against system1: " in text, name
    html = texts(report)["html"]
    assert html.count("p, bootstrap") == 1
    assert "All 40 translations are the same, so there is nothing to test." in html
    assert render_markdown(report).count("p, bootstrap") == 1


def test_three_differing_translations_may_be_chance(tmp_path: Path) -> None:
    wrong = [f"falsch {line}" for line in ONE]
    report = build(tmp_path, wrong, [*ONE[:3], *wrong[3:]])
    assert report.comparisons[0].tests["bleu"].randomization_p > 0.2
    for name, text in texts(report).items():
        assert "more than chance (" not in text, name
        assert "3 of 40 translations differ." in text, name


def test_equal_scores_of_different_translations_are_called_the_same(
    tmp_path: Path,
) -> None:
    # TER ignores case.
    report = build(tmp_path, ONE, [line.upper() for line in ONE])
    assert not report.comparisons[0].identical
    (row,) = re.findall(r"^\| TER \|.*", render_markdown(report), re.M)
    assert row.endswith("| the same |")


@pytest.mark.parametrize(("source", "side"), [(True, "source"), (False, "reference")])
def test_lengths_are_called_those_of_the_side_that_was_counted(
    source: bool, side: str, tmp_path: Path
) -> None:
    report = build(tmp_path, ONE, source=source)
    assert report.test_set.length_side == side
    other = {"source": "reference", "reference": "source"}[side]
    html, markdown = texts(report)["html"], render_markdown(report)
    for text in (
        f"BLEU by length of the {side}",
        f"words of the {side}segments",
        f"length of the {side}",
        f"the longest {side} · segment",
    ):
        assert text in html
        assert text.replace(side, other) not in html
    assert f"## BLEU by length of the {side}, in words" in markdown


def test_a_summary_counts_in_grammar(tmp_path: Path) -> None:
    report = build(tmp_path, REFERENCES, ["", *ONE[1:]], comet=0.81)
    compared, first, other = summary_lines(report)[:3]
    # The scores from files are equal, so they do not agree with a loss.
    assert "randomization); chrF and TER agree. 40 of 40" in compared
    assert first.startswith("None of system1's")
    assert other.startswith("1 of system2's 40 translations has a detected error")


def test_differences_between_systems_are_marked_by_the_reference(
    tmp_path: Path,
) -> None:
    html = render_html(build(tmp_path, REFERENCES, ONE), full=False)
    card = html[html.index('<div class="card">') :].split("</div>")[0]
    assert "<mark>" not in card
    assert card.count("<del>rote</del>") == 1


def test_ranges_are_written_alike_and_begin_where_the_data_begin(
    tmp_path: Path,
) -> None:
    report = build(tmp_path, ONE)
    histogram = comparison_figures(report).histogram
    assert ">90–100<" in histogram
    assert ">100<" in histogram
    assert ">0–10<" not in histogram
    for text in (*texts(report).values(), histogram):
        assert not re.search(r"\b6-10\b|\b90-100\b|and more\b", text)
    assert ">6–10</th>" in render_html(report, full=True)


def test_missing_words_are_shown_and_are_no_part_of_the_translation(
    tmp_path: Path,
) -> None:
    report = build(tmp_path, ONE)
    html = render_html(report, full=True)
    missing = "<bdi>Die Frau sieht 7<del>rote</del> Hunde im Garten.</bdi>"
    assert missing in html
    assert "Struck through: words of the reference that are missing there." in html
    css = (Path(page.__file__).parent / "templates/page.css").read_text("utf-8")
    (style,) = re.findall(r"^del \{(.*)\}", css, re.M)
    assert " user-select: none" in style  # What is copied is the translation.
    assert re.search(r"sieht \d+ \[-rote-\] Hunde", terminal(report))


@pytest.mark.parametrize("name", FILES)
def test_a_report_is_not_overwritten_without_a_word(name: str, tmp_path: Path) -> None:
    arguments, output = request(tmp_path, ONE), tmp_path / "out"
    output.mkdir()
    (output / name).write_text("precious")
    with pytest.raises(UserError, match=r"holds a report already.*--output .*out-2"):
        write_report(arguments, output, full=False, log=str)
    assert [path.name for path in output.iterdir()] == [name]
    assert (output / name).read_text() == "precious"
    write_report(arguments, output, full=False, log=str, replace=True)
    assert "precious" not in (output / name).read_text(encoding="utf-8")


class _Rows(HTMLParser):
    """The texts of the table's rows, as the page's script reads them for its CSV."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside: list[str] = []
        self.feed(text[text.index('<table class="sortable segments">') :])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside.append(tag)
        if tag == "tr" and ("id", None) not in attrs and dict(attrs).get("id"):
            self.rows.append([])
        if tag == "bdi" and "dd" in self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"dd", "bdi"} <= set(self.inside) and "del" not in self.inside:
            self.rows[-1][-1] += data


def test_the_table_holds_the_texts_that_its_csv_has(tmp_path: Path) -> None:
    report = build(tmp_path, ONE, OTHER, source=True)
    html = render_html(report, full=True)
    assert '<button type="button">Download as CSV</button>' in html
    expected = [
        list(row) for row in zip(REFERENCES, REFERENCES, ONE, OTHER, strict=True)
    ]
    assert _Rows(html).rows == expected


@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-headless-shell")),
    reason="there is no chromium",
)
def test_the_csv_of_a_browser_has_every_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = tmp_path / "templates"
    shutil.copytree(Path(page.__file__).parent / "templates", templates)
    with (templates / "page.js").open("a", encoding="utf-8") as script:
        script.write('document.title = csv(document.querySelector(".segments"));\n')
    monkeypatch.setattr(page, "_TEMPLATES", templates)
    hostile = ['=SUM(1;2) "quoted", and so on', *ONE[1:]]
    report = build(tmp_path, hostile, source=True)
    (tmp_path / "page.html").write_text(render_html(report, full=True), "utf-8")
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert browser is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu"]
    options.append(f"--user-data-dir={tmp_path / 'browser'}")
    done = subprocess.run(
        [browser, *options, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    title = re.search("<title>(.*?)</title>", done.stdout, re.S)
    assert title is not None
    lines = title[1].replace("&amp;", "&").split("\n")
    assert lines[0].rstrip("\r") == ",".join(
        f'"{name}"'
        for name in (
            *("no.", "length of the source", "source", "reference", "system1"),
            *("errors of system1", "BLEU", "chrF"),
        )
    )
    assert len([line for line in lines if line]) == 41
    assert lines[1].startswith(f'1,9,"{REFERENCES[0]}","{REFERENCES[0]}",')
    assert '"\'=SUM(1;2) ""quoted"", and so on"' in lines[1]
    assert f'"{ONE[1]}",""' in lines[2]
