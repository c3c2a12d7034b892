"""Translations that went wrong in a known way, and text that was not scored as it is.

Knows lines; not scores, models or pages. Every rule is written beside what it finds, so
that a page can say it.
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
    "unknown": "holds ⁇, which stands for a piece outside of the vocabulary",
}
"""What each fault is."""

_ENDS = tuple(".!?…。！？:;\"'”»“)›』」،؟।")
_SHARE = 0.1
_ENOUGH = 20  # Lines, below which a look says little.


def detect_errors(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str],
) -> dict[str, list[int]]:
    """Find the translations that went wrong.

    Args:
        hypotheses: A line for each sentence.
        references: One or more lists of as many lines.
        sources: As many lines, or none if they are unknown.

    Returns:
        For every name in RULES the rows to which it applies.
    """
    found: dict[str, list[int]] = {name: [] for name in RULES}
    for row, hypothesis in enumerate(hypotheses):
        wanted = [lines[row] for lines in references]
        source = sources[row] if sources else None
        for name in _faults(hypothesis, wanted, source):
            found[name].append(row)
    return found


def _faults(hypothesis: str, references: list[str], source: str | None) -> list[str]:
    said = words(hypothesis)
    if not said:
        return ["empty"]
    wanted = [words(line) for line in references]
    counts = [len(each) for each in wanted]
    found = []
    if has_repetition(said) and not any(has_repetition(each) for each in wanted):
        found.append("repeated")
    if source is not None and len(said) >= 4:
        from_source = _share(said, words(source))
        if from_source >= 0.8 and max(_share(said, each) for each in wanted) < 0.5:
            found.append("copied")
    if not has_final_punctuation(hypothesis) and all(
        map(has_final_punctuation, references)
    ):
        found.append("cut off")
    if len(said) > 1.5 * max(counts) + 5:
        found.append("over-long")
    if 2 * (len(said) + 2) < min(counts):
        found.append("too short")
    if "⁇" in said and not any("⁇" in each for each in wanted):
        found.append("unknown")
    return found


def has_repetition(said: Sequence[str]) -> bool:
    """Tell whether one to six words stand twice in a row."""
    for size in range(1, min(6, len(said) // 2) + 1):
        for begin in range(len(said) - 2 * size + 1):
            once = said[begin : begin + size]
            again = said[begin + size : begin + 2 * size]
            if once == again and any(word.isalnum() for word in once):
                return True
    return False


def has_final_punctuation(line: str) -> bool:
    """Tell whether a line ends in punctuation."""
    return line.rstrip()[-1:] in _ENDS


def _share(said: Sequence[str], there: Sequence[str]) -> float:
    known = set(there)
    return sum(word in known for word in said) / len(said)


def comparability_warnings(name: str, lines: Sequence[str]) -> list[str]:
    """Say what about some lines makes scores incomparable with other people's.

    Args:
        name: What the lines are called.
        lines: Hypotheses or references.
    """
    found: list[str] = []
    there = [line for line in lines if line.strip()]
    if len(there) < _ENOUGH:
        return found
    cut = sum(line.rstrip().endswith(" .") or " , " in line for line in there)
    if cut >= _SHARE * len(there):
        found.append(
            f"{name}: {cut:,} of {len(there):,} lines have a blank before a full stop "
            "or a comma. They look tokenised; BLEU cuts text by itself, so give it the "
            "text as people write it."
        )
    pieces = sum("▁" in line or "@@ " in line for line in there)
    if pieces >= _SHARE * len(there):
        found.append(
            f"{name}: {pieces:,} of {len(there):,} lines hold ▁ or @@, the marks of "
            "subword pieces. Join the pieces before scoring."
        )
    cased = [line for line in there if line.lower() != line.upper()]
    upper = sum(line != line.lower() for line in cased)
    if len(cased) >= _ENOUGH and upper < 0.01 * len(cased):
        found.append(
            f"{name}: {upper:,} of {len(cased):,} lines have a capital letter. They "
            "look lower-cased, and such scores compare with none of text as it is."
        )
    return found
