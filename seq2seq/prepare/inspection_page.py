"""An inspection on the terminal and as an HTML page, in the form of the reports."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from seq2seq.evaluation.html import render_page
from seq2seq.evaluation.summary import escape_control_chars
from seq2seq.evaluation.task_sections import Cell, Section, Table
from seq2seq.prepare.inspection import NUM_EXAMPLES, Finding, Inspection
from seq2seq.prepare.rules import RULES
from seq2seq.utils.console import print_table
from seq2seq.utils.text import with_noun

_MAX_TEXT = 300  # Characters of a text in a table.
_LENGTHS = ("shortest", "5%", "median", "95%", "99%", "longest")


def render_inspection(inspection: Inspection, date: str) -> str:
    """Render the page.

    Args:
        inspection: What was found.
        date: When, for its head.
    """
    context = {
        "date": date,
        "inspection": inspection,
        "sections": list(_sections(inspection)),
        "summary": list(summary_lines(inspection)),
    }
    languages = " to ".join(inspection.languages)
    return render_page("inspection.html.j2", inspection.name, languages, context)


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Print the counts of each rule with an example, and lengths and scripts."""
    title = f"{inspection.name}: {with_noun(inspection.num_pairs, 'pair')}"
    rows = []
    for rule, count in inspection.counts().items():
        example = next(iter(inspection.examples(rule)), None)
        shown = RULES[rule]
        if example is not None:
            example_line = f"row {example.row}: {_short(example, 60)}"
            shown += f"\n  {escape_control_chars(example_line)}"
        rows.append([rule, f"{count:,}", shown])
    print_table(console, title, ("rule", "pairs", "meaning"), rows, numeric=["pairs"])
    for line in summary_lines(inspection):
        console.print(Text(f"- {escape_control_chars(line)}"))


def summary_lines(inspection: Inspection) -> Iterator[str]:
    """Summarise the faults of a corpus, in sentences."""
    count, total = len(inspection.findings), inspection.num_pairs
    yield (
        f"{count:,} of {with_noun(total, 'pair')} ({count / max(1, total):.1%}) break "
        "a rule; each is counted by the first that it breaks."
    )
    for language, lengths, scripts, characters in zip(
        inspection.languages,
        inspection.lengths,
        inspection.scripts,
        inspection.foreign_characters,
        strict=True,
    ):
        letters = max(1, sum(scripts.values()))
        shares = [
            f"{name.lower()} {share / letters:.1%}" for name, share in scripts.items()
        ]
        line = (
            f"{language}: {lengths[2]} characters at the median, {lengths[-1]:,} at "
            f"most; letters are {', '.join(shares[:4]) or 'none'}"
        )
        if characters:
            line += f"; unusual are {' '.join(list(characters)[:10])}"
        yield f"{line}."


def _sections(inspection: Inspection) -> Iterator[Section]:
    counts = inspection.counts()
    rows = [
        [Cell(rule), Cell(RULES[rule]), Cell(f"{count:,}")]
        for rule, count in counts.items()
    ]
    table = Table("", ("rule", "what it finds", "pairs"), rows, texts=2)
    yield Section("rules", "What is wrong", [table])
    lengths = [
        [Cell(language), *(Cell(f"{length:,}") for length in side)]
        for language, side in zip(inspection.languages, inspection.lengths, strict=True)
    ]
    sides = Table("Characters of a sentence", ("side", *_LENGTHS), lengths)
    scripts = [
        [Cell(language), Cell(script.lower()), Cell(f"{count:,}")]
        for language, side in zip(inspection.languages, inspection.scripts, strict=True)
        for script, count in side.items()
    ]
    letters = Table(
        "Letters by script", ("side", "script", "letters"), scripts, texts=2
    )
    yield Section("lengths", "Lengths and scripts", [sides, letters])
    for rule, count in counts.items():
        if not count:
            continue
        examples = [
            [
                Cell(f"row {finding.row}", finding.detail),
                Cell(finding.source[:_MAX_TEXT]),
                Cell(finding.target[:_MAX_TEXT]),
            ]
            for finding in inspection.examples(rule)
        ]
        note = f"The first {NUM_EXAMPLES} of {count:,}." if count > NUM_EXAMPLES else ""
        heads = ("pair", *inspection.languages)
        shown = Table(RULES[rule].capitalize(), heads, examples, texts=3, note=note)
        yield Section(rule, rule.replace("_", " ").capitalize(), [shown])


def _short(finding: Finding, length: int) -> str:
    def cut(text: str) -> str:
        return text if len(text) <= length else text[: length - 1] + "…"

    detail = f" ({finding.detail})" if finding.detail else ""
    return f"{cut(finding.source)} | {cut(finding.target)}{detail}"
