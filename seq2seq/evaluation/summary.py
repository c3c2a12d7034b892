"""A report in a few sentences, for people who read no further.

Knows the content; not how it is shown.
"""

from __future__ import annotations

from seq2seq.evaluation.escaping import format_p_value, format_signed
from seq2seq.evaluation.schema import (
    LOWER_IS_BETTER,
    ComparisonValue,
    Report,
    SystemValue,
    metric_name,
)

SIGNIFICANT = 0.05
_ENOUGH = 30  # Segments in a range of lengths, to speak of it.


def report_title(content: Report) -> str:
    """Name the systems."""
    names = [system.name for system in content.systems]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def language_pair(content: Report) -> str:
    """Name the direction of translation."""
    test_set = content.test_set
    if not test_set.source_language:
        return f"into {test_set.target_language}"
    return f"{test_set.source_language} → {test_set.target_language}"


def summary_lines(content: Report) -> list[str]:
    """Say what matters most, one sentence each."""
    found = []
    if len(content.systems) == 1:
        found.append(_scored(content.systems[0]))
    found += [_compared(content, each) for each in content.comparisons]
    found += [_faulty(system, content.test_set.segments) for system in content.systems]
    found += filter(None, map(_by_length, content.systems))
    return found


def _scored(system: SystemValue) -> str:
    parts = [
        f"{metric_name(metric)} {value.score:.1f} ({value.low:.1f} to {value.high:.1f})"
        for metric, value in system.scores.items()
    ]
    return (
        f"{system.name} scores {', '.join(parts)}; the ranges hold 95% of resampled "
        "test sets."
    )


def significance_label(comparison: ComparisonValue, metric: str) -> str:
    """Say whether a difference is more than chance, by both tests."""
    test = comparison.tests[metric]
    p_values = (test.bootstrap_p, test.randomization_p)
    if max(p_values) < SIGNIFICANT:
        return "more than chance"
    if min(p_values) < SIGNIFICANT:
        return "the tests disagree"
    return "may be chance"


def _compared(content: Report, comparison: ComparisonValue) -> str:
    test = comparison.tests["bleu"]
    others = [
        metric_name(metric)
        for metric in comparison.tests
        if metric != "bleu"
        and (comparison.tests[metric].difference > 0)
        == ((test.difference > 0) != (metric in LOWER_IS_BETTER))
    ]
    agree = f"; {' and '.join(others)} agree" if others else ""
    return (
        f"{comparison.system} against {comparison.baseline}: "
        f"{format_signed(test.difference)} BLEU ({format_signed(test.low)} to "
        f"{format_signed(test.high)}), "
        f"{significance_label(comparison, 'bleu')} (p "
        f"{format_p_value(test.bootstrap_p)} by bootstrap, "
        f"{format_p_value(test.randomization_p)} by randomization){agree}. By the "
        "chrF++ of "
        f"single segments it is better for {comparison.wins:,}, the same for "
        f"{comparison.ties:,} and worse for {comparison.losses:,}."
    )


def _faulty(system: SystemValue, segments: int) -> str:
    kinds = {name: rows for name, rows in system.faults.items() if rows}
    faulty = {row for rows in kinds.values() for row in rows}
    if not faulty:
        return f"None of {system.name}'s {segments:,} translations has a known fault."
    most = max(kinds, key=lambda name: len(kinds[name]))
    return (
        f"{len(faulty):,} of {system.name}'s {segments:,} translations have a known "
        f"fault, most often: {most} ({len(kinds[most]):,})."
    )


def _by_length(system: SystemValue) -> str | None:
    there = [bucket for bucket in system.by_length if bucket.segments >= _ENOUGH]
    if len(there) < 2:
        return None
    first, last = there[0], there[-1]
    overlap = first.low <= last.high and last.low <= first.high
    if overlap:
        return (
            f"{system.name}'s BLEU does not clearly depend on length: "
            f"{first.score:.1f} for {first.label} words, {last.score:.1f} for "
            f"{last.label}."
        )
    course = "rises" if last.score > first.score else "falls"
    return (
        f"{system.name}'s BLEU {course} from {first.score:.1f} for {first.label} words "
        f"to {last.score:.1f} for {last.label}."
    )
