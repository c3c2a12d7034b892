"""The page of a search, by the report's machinery: HTML, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from markupsafe import Markup

from seq2seq.evaluation import markdown
from seq2seq.evaluation.html import render_page
from seq2seq.evaluation.report_files import write_texts
from seq2seq.evaluation.schema import report_json
from seq2seq.evaluation.training_history import format_duration
from seq2seq.tuning import figures
from seq2seq.tuning.results import SearchResult, TrialRow


def write_page(result: SearchResult, folder: Path) -> None:
    """Write report.json, report.md and report.html into the folder of a search."""
    content = report_json(result)
    write_texts(folder, (content, _markdown(result), _html(result)))


def summary_lines(result: SearchResult) -> Iterator[str]:
    """Summarise a search in a few sentences."""
    rows = result.trials
    counts = {
        state: sum(row.state == state for row in rows)
        for state in ("finished", "pruned", "failed", "running")
    }
    parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    seconds = sum(row.seconds for row in rows)
    yield f"{len(rows)} trials in {format_duration(seconds)} of training: {parts}."
    values = {row.number: row.value for row in rows}
    if result.winner is not None:
        text = f"The best is trial {result.winner}, {result.metric} "
        text += result.format_value(values[result.winner] or 0.0)
        if result.base is not None and values.get(result.base) is not None:
            text += f"; the recipe as it was, trial {result.base}, has "
            text += result.format_value(values[result.base] or 0.0)
        yield f"{text}. Trials were compared on the validation split alone."
    yield result.verdict
    if result.test:
        yield _test_line(result.test, result.winner)


def _test_line(test: dict[str, Any], winner: int | None) -> str:
    if "scores" not in test:
        return f"The test split was not scored: {test.get('missing')}"
    scores = [
        f"{name} {score['score']:.2f}"
        for name, score in test["scores"].items()
        if isinstance(score, dict) and "score" in score
    ]
    text = f"On the test split trial {test['trial']} has {', '.join(scores)}. "
    if test["trial"] != winner:
        return (
            f"{text}It was the best when the split was scored, which is done once; the "
            "search went on afterwards."
        )
    return f"{text}It was scored once, after the search."


def table_rows(result: SearchResult) -> Iterator[list[str]]:
    """Yield the cells of the result table, the best trials first."""
    sign = 1 if result.minimize else -1

    def order(row: TrialRow) -> tuple[bool, float]:
        return row.value is None, sign * (row.value or 0.0)

    for row in sorted(result.trials, key=order):
        value = "" if row.value is None else result.format_value(row.value)
        values = [row.values.get(key, "") for key in result.keys]
        notes = ["best"] if row.number == result.winner else []
        notes += ["the recipe as it was"] if row.number == result.base else []
        state = ", ".join([row.state, *notes, *filter(None, [row.reason])])
        time = format_duration(row.seconds)
        yield [str(row.number), value, *values, f"{row.step:,}", time, state]


def table_heads(result: SearchResult) -> list[str]:
    """Return the heads of the result table."""
    return ["trial", result.metric, *result.keys, "steps", "time", "state"]


def confirmation_rows(result: SearchResult) -> list[list[str]]:
    """Return the cells of the table of new seeds; none without any."""
    again = result.confirmation
    if again is None:
        return []
    sides = {f"trial {again.trial}": again.winner, "the recipe as it was": again.base}
    return [
        [name, *map(result.format_value, (mean(values), *values))]
        for name, values in sides.items()
    ]


def _seed_heads(result: SearchResult) -> Sequence[str]:
    again = result.confirmation
    return ["", "mean", *(f"seed {seed}" for seed in (again.seeds if again else []))]


def _html(result: SearchResult) -> str:
    shown = {"trials": "", "by_key": "", "importances": ""}
    if result.winner is not None:
        shown["trials"] = figures.trials_figure(result)
        shown["by_key"] = figures.keys_figure(result)
        if result.importances:
            shown["importances"] = figures.importances_figure(result)
    context = {
        "figures": {name: Markup(svg) for name, svg in shown.items()},
        "heads": table_heads(result),
        "result": result,
        "rows": list(table_rows(result)),
        "seed_heads": _seed_heads(result),
        "seed_rows": confirmation_rows(result),
        "summary": list(summary_lines(result)),
        "warn": not (result.confirmation and result.confirmation.confirmed),
    }
    return render_page("tuning.html.j2", result.name, "search", context)


def _markdown(result: SearchResult) -> str:
    text = markdown.escape_text
    blocks = [
        f"# {text(result.name)}",
        f"Made on {result.date}.",
        "\n".join(f"- {text(line)}" for line in summary_lines(result)),
    ]
    if seed_rows := confirmation_rows(result):
        heads = list(map(text, _seed_heads(result)))
        blocks += ["## New seeds", markdown.table(heads, seed_rows)]
    rows = [[text(cell) for cell in row] for row in table_rows(result)]
    heads = list(map(text, table_heads(result)))
    blocks += ["## Trials", markdown.table(heads, rows)]
    if result.importances:
        shares = [[text(k), f"{v:.2f}"] for k, v in result.importances.items()]
        blocks += ["## Importances", markdown.table(["key", "importance"], shares)]
    return "\n\n".join(blocks) + "\n"
