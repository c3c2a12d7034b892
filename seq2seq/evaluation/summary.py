"""Summary of a report in a few sentences, and the formatting that all pages share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seq2seq.evaluation.comparison import Comparison
from seq2seq.evaluation.schema import LOWER_IS_BETTER, Report, SystemReport, metric_name
from seq2seq.metrics.significance import Interval

SIGNIFICANT = 0.05
_MIN_SEGMENTS = 30  # In a bucket of lengths, to mention it.

# Control characters, marks that turn the writing direction, what has no width, line
# separators, and the tag characters. Joiners (U+200C, U+200D) belong to some scripts.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def escape_control_chars(text: str) -> str:
    """Replace characters that steer a display by their code points, as ⟨U+202E⟩."""
    return _CONTROL.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def format_signed(value: float, digits: int = 2) -> str:
    """Write a difference with its sign; a minus is as wide as a plus."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        return f"{0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def format_interval(interval: Interval, digits: int = 2) -> str:
    """Write both ends of an interval."""
    return f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def format_range(label: str) -> str:
    """Write a range of counts: 6–10, 50+."""
    return label.replace(" and more", "+").replace("-", "–")


def score_digits(report: Report, metric: str, digits: int = 2) -> int:
    """Return the decimals of a metric's scores and of their intervals.

    Args:
        report: The report.
        metric: The metric; one of small numbers, such as COMET, gets two more.
        digits: Decimals of the others.
    """
    return digits + 2 if metric in report.small_metrics else digits


def format_p_value(p_value: float) -> str:
    """Write a p-value to the digits that matter."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def report_title(report: Report) -> str:
    """Join the names of the systems."""
    return _joined([system.name for system in report.systems])


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def test_set_title(report: Report) -> str:
    """Name the test set by its data, revision and fingerprint."""
    test_set = report.test_set
    revision = f", revision {test_set.revision}" if test_set.revision else ""
    return f"{test_set.name}{revision}, fingerprint {test_set.fingerprint}"


def language_pair(report: Report) -> str:
    """Return the direction of translation."""
    test_set = report.test_set
    if not test_set.source_language:
        return f"into {test_set.target_language}"
    return f"{test_set.source_language} → {test_set.target_language}"


def _pairs(system: SystemReport) -> str:
    """Say how well a run with several language pairs translates each."""
    trained = [score for score in system.pair_scores if not score.zero_shot]
    parts = [f"{score.pair} {score.bleu:.2f}" for score in trained]
    mean = sum(score.bleu for score in trained) / len(trained)
    parts.append(f"mean {mean:.2f}")
    parts += [
        f"{score.pair} {score.bleu:.2f} (zero-shot)"
        for score in system.pair_scores
        if score.zero_shot
    ]
    return f"BLEU of the language pairs of {system.name}: {', '.join(parts)}."


def summary_lines(report: Report) -> list[str]:
    """Summarise scores, comparisons, errors and the effect of length."""
    systems = report.systems
    lines = [_scores(report)] if len(systems) == 1 else []
    lines += [_pairs(system) for system in systems if system.pair_scores]
    lines += [
        _identical(comparison, report.test_set.segments)
        if comparison.identical
        else _comparison(comparison, report.test_set.segments)
        for comparison in report.comparisons
    ]
    lines += [_errors(system, report.test_set.segments) for system in systems]
    side = report.test_set.length_side
    lines += filter(None, (_by_length(system, side) for system in systems))
    return lines


def _scores(report: Report) -> str:
    (system,) = report.systems
    scores = []
    for metric, score in system.scores.items():
        digits = score_digits(report, metric, 1)
        interval = format_interval(score.interval, digits)
        scores.append(f"{metric_name(metric)} {score.score:.{digits}f} ({interval})")
    return (
        f"{system.name} scores {', '.join(scores)}; the ranges hold 95% of resampled "
        "test sets."
    )


def significance_label(comparison: Comparison, metric: str) -> str:
    """Label a difference as significant or not, by both tests."""
    test = comparison.tests[metric]
    if test.difference == 0 and test.interval == (0, 0):
        return "the same"
    p_values = (test.bootstrap_p, test.randomization_p)
    if max(p_values) < SIGNIFICANT:
        return "more than chance"
    if min(p_values) < SIGNIFICANT:
        return "the tests disagree"
    return "may be chance"


def _identical(comparison: Comparison, segments: int) -> str:
    return (
        f"{comparison.system} and {comparison.baseline} are identical: all "
        f"{segments:,} translations are the same."
    )


def _comparison(comparison: Comparison, segments: int) -> str:
    test = comparison.tests["bleu"]
    others = [
        metric_name(metric)
        for metric in comparison.tests
        if metric != "bleu"
        and comparison.tests[metric].difference
        * test.difference
        * (-1 if metric in LOWER_IS_BETTER else 1)
        > 0
    ]
    verb = "agrees" if len(others) == 1 else "agree"
    agree = f"; {_joined(others)} {verb}" if others else ""
    low, high = map(format_signed, test.interval)
    return (
        f"{comparison.system} against {comparison.baseline}: "
        f"{format_signed(test.difference)} BLEU ({low} to {high}), "
        f"{significance_label(comparison, 'bleu')} "
        f"(p {format_p_value(test.bootstrap_p)} by bootstrap, "
        f"{format_p_value(test.randomization_p)} by randomization){agree}. "
        f"{comparison.differing:,} of {segments:,} translations "
        f"{'differs' if comparison.differing == 1 else 'differ'}. By the "
        f"chrF of single segments it is better for {comparison.wins:,}, the same for "
        f"{comparison.ties:,} and worse for {comparison.losses:,}."
    )


def _errors(system: SystemReport, segments: int) -> str:
    errors = {name: numbers for name, numbers in system.errors.items() if numbers}
    total = len({number for numbers in errors.values() for number in numbers})
    if not total:
        return (
            f"None of {system.name}'s {segments:,} translations has a detected error."
        )
    commonest = max(errors, key=lambda name: len(errors[name]))
    return (
        f"{total:,} of {system.name}'s {segments:,} translations "
        f"{'has' if total == 1 else 'have'} a detected "
        f"error, most often: {commonest} ({len(errors[commonest]):,})."
    )


def _by_length(system: SystemReport, side: str) -> str | None:
    large = [bucket for bucket in system.by_length if bucket.segments >= _MIN_SEGMENTS]
    if len(large) < 2:
        return None
    first, last = large[0], large[-1]
    shortest = f"{first.score:.1f} for {side}s of {format_range(first.label)} words"
    longest = f"{last.score:.1f} for {format_range(last.label)}"
    if (
        first.interval.low <= last.interval.high
        and last.interval.low <= first.interval.high
    ):
        return (
            f"{system.name}'s BLEU does not clearly depend on length: {shortest}, "
            f"{longest}."
        )
    trend = "rises" if last.score > first.score else "falls"
    return f"{system.name}'s BLEU {trend} with length: {shortest}, {longest}."
