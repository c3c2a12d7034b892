"""Rule-based detection of translation errors, and of text that skews scores.

Each rule is described in RULES, so that a report can print it beside its count.
"""

from __future__ import annotations

from collections.abc import Sequence

from seq2seq.evaluation.words import words

RULES = {
    "empty": "nothing but white space",
    "repeated": "one to six words twice in a row, where no reference repeats any",
    "copied": "four words or more, of which 80% stand in the source and under half in "
    "a reference",
    "cut off": "no punctuation at the end, where every reference has some",
    "over-long": "over 1.5 times the words of the longest reference, and 5 more",
    "too short": "under half the words of the shortest reference, less 2",
    "unknown": "contains ⁇, which stands for a token outside of the vocabulary",
}
"""Description of each type of error."""

_FINAL_PUNCTUATION = tuple(".!?…。！？:;\"'”»“)›』」،؟।")
_MIN_SHARE = 0.1  # Of the lines, to warn of a property.
_MIN_LINES = 20  # Fewer say little about a text.


def detect_errors(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str],
) -> dict[str, list[int]]:
    """Find the segments whose translation breaks a rule.

    Args:
        hypotheses: One line per segment.
        references: One or more lists of as many lines.
        sources: As many lines, or none if they are unknown.

    Returns:
        Segment numbers, from 1, for every key of RULES.
    """
    errors: dict[str, list[int]] = {name: [] for name in RULES}
    for row, hypothesis in enumerate(hypotheses):
        segment_references = [lines[row] for lines in references]
        source = sources[row] if sources else None
        for name in _error_types(hypothesis, segment_references, source):
            errors[name].append(row + 1)
    return errors


def _error_types(
    hypothesis: str, references: list[str], source: str | None
) -> list[str]:
    output = words(hypothesis)
    if not output:
        return ["empty"]
    expected = [words(line) for line in references]
    counts = [len(line) for line in expected]
    errors = []
    if has_repetition(output) and not any(map(has_repetition, expected)):
        errors.append("repeated")
    if source is not None and len(output) >= 4:
        from_source = _overlap(output, words(source))
        if from_source >= 0.8 and max(_overlap(output, e) for e in expected) < 0.5:
            errors.append("copied")
    if not has_final_punctuation(hypothesis) and all(
        map(has_final_punctuation, references)
    ):
        errors.append("cut off")
    if len(output) > 1.5 * max(counts) + 5:
        errors.append("over-long")
    if 2 * (len(output) + 2) < min(counts):
        errors.append("too short")
    if "⁇" in output and not any("⁇" in line for line in expected):
        errors.append("unknown")
    return errors


def has_repetition(tokens: Sequence[str]) -> bool:
    """Return whether an n-gram of one to six words occurs twice in a row."""
    for size in range(1, min(6, len(tokens) // 2) + 1):
        for begin in range(len(tokens) - 2 * size + 1):
            ngram = tokens[begin : begin + size]
            following = tokens[begin + size : begin + 2 * size]
            if ngram == following and any(word.isalnum() for word in ngram):
                return True
    return False


def has_final_punctuation(line: str) -> bool:
    """Return whether a line ends in punctuation."""
    return line.rstrip()[-1:] in _FINAL_PUNCTUATION


def _overlap(tokens: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of the tokens that the other line contains, 0 to 1."""
    vocabulary = set(other)
    return sum(word in vocabulary for word in tokens) / len(tokens)


def comparability_warnings(name: str, lines: Sequence[str]) -> list[str]:
    """Warn of text whose scores do not compare with other people's.

    Args:
        name: Name of the lines in the warnings.
        lines: Hypotheses or references.
    """
    warnings: list[str] = []
    filled = [line for line in lines if line.strip()]
    if len(filled) < _MIN_LINES:
        return warnings
    spaced = sum(line.rstrip().endswith(" .") or " , " in line for line in filled)
    if spaced >= _MIN_SHARE * len(filled):
        warnings.append(
            f"{name}: {spaced:,} of {len(filled):,} lines have a blank before a full "
            "stop or a comma. They look tokenised; BLEU tokenises text by itself, so "
            "give it the text as people write it."
        )
    marked = sum("▁" in line or "@@ " in line for line in filled)
    if marked >= _MIN_SHARE * len(filled):
        warnings.append(
            f"{name}: {marked:,} of {len(filled):,} lines contain ▁ or @@, the marks "
            "of subword tokens. Join the tokens before scoring."
        )
    cased = [line for line in filled if line.lower() != line.upper()]
    upper = sum(line != line.lower() for line in cased)
    if len(cased) >= _MIN_LINES and upper < 0.01 * len(cased):
        warnings.append(
            f"{name}: {upper:,} of {len(cased):,} lines have a capital letter. They "
            "look lower-cased, and such scores compare with none of text as it is."
        )
    return warnings
