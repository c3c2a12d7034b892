"""The page: nothing runs or loads; the same input, the same bytes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from seq2seq.evaluation import svg as plots
from seq2seq.evaluation.builder import build_report, write_report
from seq2seq.evaluation.html import MAX_ROWS, render_html
from seq2seq.evaluation.markdown import latex, render_markdown
from seq2seq.evaluation.schema import Report, report_json, schema
from seq2seq.evaluation.summary import escape_control_chars
from seq2seq.evaluation.systems import ReportRequest
from tests.helpers.report_pages import ParsedPage, check_schema

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = [
    "<script>document.title='ran'</script>",
    "\"'><img src=x onerror=\"document.title='ran'\">",
    "<svg onload=document.title='ran'>",
    "</style></textarea></title><script>document.title='ran'</script>",
    "javascript:document.title='ran' {{ 7*7 }} {% raw %} $\\frac{1}{2}$ $",
    "right\u202eto\u200fleft \x00 \x1b[31mred\x07 \u2028 end",
    '<a href="https://example.org/">x</a> <link rel=stylesheet href=//example.org>',
    "--> ]]> &lt;b&gt; &#60;script&#62;",
]
REFERENCES = [f"Satz {number}: {line}" for number, line in enumerate(HOSTILE)]


def write(folder: Path, **files: list[str]) -> dict[str, Path]:
    paths = {}
    for name, lines in files.items():
        paths[name] = folder / name
        paths[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def hostile(folder: Path) -> ReportRequest:
    files = write(
        folder,
        reference=REFERENCES,
        source=HOSTILE,
        one=HOSTILE,
        other=[line.upper() for line in HOSTILE],
        scores=[str(0.1 * number) for number in range(len(HOSTILE))],
    )
    return ReportRequest(
        [
            f"{HOSTILE[0]}={files['one']}",
            f"{HOSTILE[1].replace('=', ' ')}={files['other']}",
        ],
        source=files["source"],
        references=[files["reference"]],
        language="de",
        segment_scores=[f"{HOSTILE[2].replace('=', ' ')}={files['scores']}"] * 2,
        n_bootstrap=50,
        n_trials=50,
    )


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    request = hostile(tmp_path_factory.mktemp("hostile"))
    return render_html(
        build_report(request, date="today", full=True, log=str), full=True
    )


def test_hostile_text_is_text(html: str) -> None:
    page = ParsedPage(html)
    script = (ROOT / "seq2seq/evaluation/templates/page.js").read_text(encoding="utf-8")
    assert page.tags["script"] == 1
    assert page.script == script
    assert not page.tags.keys() & {"img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    shown = "".join(page.text)
    for line in HOSTILE[:5]:
        assert line in shown
    assert "right⟨U+202E⟩to⟨U+200F⟩left ⟨U+0000⟩ ⟨U+001B⟩[31mred⟨U+0007⟩" in shown
    assert not re.search("[\x00\x07\x1b\u200f\u2028\u202e]", html)


def test_nothing_is_loaded(html: str) -> None:
    page = ParsedPage(html)
    for tag, name, value in page.attributes:
        if name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href"):
            assert value == "data:," or value.startswith("#"), (tag, name, value)
        if name == "style":
            assert "url(" not in value
    css = (ROOT / "seq2seq/evaluation/templates/page.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?:", css)
    policy = next(value for _, _, value in page.attributes if "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_every_link_and_every_figure_has_its_target(html: str) -> None:
    page = ParsedPage(html)
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    links = [v[1:] for _, name, v in page.attributes if name == "href" and v[0] == "#"]
    assert set(links) <= set(identifiers)
    clips = re.findall(r"url\(#([^)]*)\)", html)
    assert set(clips) <= set(identifiers)
    doubled = [
        identifier for identifier, count in Counter(identifiers).items() if count > 1
    ]
    assert doubled == []


@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-headless-shell")),
    reason="there is no chromium",
)
def test_nothing_hostile_runs_in_a_browser(html: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert browser is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--timeout=300000"]
    options.append(f"--user-data-dir={tmp_path / 'browser'}")
    done = subprocess.run(
        [browser, *options, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    title = re.search("<title>(.*?)</title>", done.stdout, re.S)
    assert title is not None
    assert title[1] != "ran"
    # The page's own script did run: it shows the filter.
    assert re.search(r'<div class="tools"(?! hidden)', done.stdout)


@given(st.text(max_size=60))
@example("NONE")  # Which matplotlib reads as None where a setting may be None.
@example("none")
@settings(max_examples=15)
def test_any_label_of_a_figure_stays_a_label(label: str) -> None:
    shown = escape_control_chars(label)
    svg = plots.plot_bars([[1.0]], [shown], xlabel=shown, ylabel="x", alt=shown)
    again = plots.plot_bars([[1.0]], [shown], xlabel=shown, ylabel="x", alt=shown)
    assert svg == again
    page = ParsedPage(svg)
    assert set(page.tags) <= {
        "svg",
        "g",
        "path",
        "text",
        "use",
        "defs",
        "rect",
        "clippath",
        "tspan",
    }
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    if shown.strip() and "\n" not in shown:
        assert shown.split()[0] in "".join(page.text)


def test_a_label_is_not_rewritten_with_the_figures_tags() -> None:
    label = 'id="x" #010101 3.14159 font: 1.5px a'
    svg = plots.plot_bars([[1.0]], [label], xlabel="", ylabel="", alt="")
    assert label in "".join(ParsedPage(svg).text)


def test_the_same_report_has_the_same_bytes_but_for_its_date(tmp_path: Path) -> None:
    request = hostile(tmp_path)
    for name, day in (("one", "2026-01-01"), ("other", "2026-01-02")):
        write_report(request, tmp_path / "out" / name, full=True, log=str, date=day)
    for name in ("report.html", "report.json", "report.md"):
        one, other = (
            (tmp_path / "out" / folder / name).read_text(encoding="utf-8").split("\n")
            for folder in ("one", "other")
        )
        differing = [a for a, b in zip(one, other, strict=True) if a != b]
        assert len(differing) == 1
        assert "2026-01-01" in differing[0]


def test_the_json_follows_the_published_schema(tmp_path: Path) -> None:
    published = json.loads((ROOT / "docs/report.schema.json").read_text("utf-8"))
    assert published == schema(), "write it anew: python -m seq2seq.evaluation.schema"
    report = build_report(hostile(tmp_path), date="today", full=True, log=str)
    text = report_json(report)
    check_schema(json.loads(text), published, published)
    TypeAdapter(Report).validate_json(text)
    with pytest.raises(AssertionError):
        check_schema({**json.loads(text), "format": "1"}, published, published)


def test_markdown_and_latex_are_escaped(tmp_path: Path) -> None:
    report = build_report(hostile(tmp_path), date="today", full=False, log=str)
    text = render_markdown(report)
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    assert not re.search(r"(?<!\\)<", prose)
    tables = [block for block in prose.split("\n\n") if block.startswith("|")]
    assert tables
    for block in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.split("\n")}
        assert len(bars) == 1, block
    table = latex(report)
    assert r"$\downarrow$" in table
    body = [line for line in table.split("\n") if not line.startswith("%")]
    assert not re.search(r"(?<!\\)[&](?! )|(?<!\\)[#_%]", "\n".join(body))


def luminance(colour: str) -> float:
    channels = [int(colour[begin : begin + 2], 16) / 255 for begin in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def test_text_stands_out_in_light_and_dark() -> None:
    css = (ROOT / "seq2seq/evaluation/templates/page.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", css, re.S)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))
        for ground in ("paper", "soft"):
            for ink in ("ink", "muted", "accent", "warn"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["mark-ink"], colours["mark"]) >= 4.5
        for number in range(1, 9):
            assert contrast(colours[f"series-{number}"], colours["paper"]) >= 3


def test_a_thousand_segments_fit_in_three_megabytes(tmp_path: Path) -> None:
    line = "Ein Mann mit einem roten Hut steht neben {} Kindern auf der Straße ."
    lines = [line.format(number) for number in range(MAX_ROWS + 200)]
    other = [line.replace("Mann", "Hund").replace("roten", "") for line in lines]
    files = write(tmp_path, reference=lines, one=other, other=lines, source=other)
    request = ReportRequest(
        [str(files["one"]), str(files["other"])],
        source=files["source"],
        references=[files["reference"]],
        language="de",
        n_bootstrap=100,
        n_trials=100,
    )
    report = build_report(request, date="today", full=False, log=str)
    text = render_html(report, full=False)
    assert len(text.encode()) < 3_000_000
    assert text.count('<tr id="s') == MAX_ROWS
    assert len(report.segments) == MAX_ROWS + 200
    assert any("look tokenised" in warning for warning in report.warnings)
