"""Clean a corpus by rules: what is dropped is listed, what can be put right is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.prepare.corpus_writer import TextPair
from seq2seq.prepare.inspection import Finding, find_faults
from seq2seq.prepare.rules import RULES, Thresholds
from seq2seq.utils.text import with_noun


class CleanedCorpus(NamedTuple):
    """What cleaning left.

    Attributes:
        pairs: The pairs that broke no rule, and the swapped ones, swapped back.
        dropped: The others, each with the rule that it broke first.
        swapped_back: Number of pairs that were swapped back.
    """

    pairs: list[TextPair]
    dropped: list[Finding]
    swapped_back: int

    def summary(self) -> str:
        """Return the counts in one line."""
        total = len(self.pairs) + len(self.dropped)
        line = f"kept {len(self.pairs):,} of {with_noun(total, 'pair')}"
        counts = Counter(finding.rule for finding in self.dropped)
        shown = [f"{counts[rule]:,} {rule}" for rule in RULES if counts[rule]]
        if shown:
            line += f"; dropped: {', '.join(shown)}"
        if self.swapped_back:
            line += f"; swapped back: {self.swapped_back:,}"
        return line


def clean_corpus(
    pairs: Sequence[TextPair],
    thresholds: Thresholds | None = None,
    *,
    without: Sequence[str] = (),
    drop_swapped: bool = False,
) -> CleanedCorpus:
    """Drop the pairs that break a rule.

    Args:
        pairs: The corpus.
        thresholds: Bounds of the rules.
        without: Rules that are not applied.
        drop_swapped: Whether to drop swapped pairs instead of swapping them back.

    Raises:
        UserError: If a rule is unknown, or no pair is left.
    """
    for rule in without:
        if rule not in RULES:
            raise UserError(f"--without {rule}: the rules are {', '.join(RULES)}.")
    rules = [rule for rule in RULES if rule not in without]
    broken = find_faults(
        pairs, thresholds or Thresholds(), rules, keep_swapped=not drop_swapped
    )
    faults = {finding.row: finding for finding in broken}
    kept: list[TextPair] = []
    dropped: list[Finding] = []
    swapped_back = 0
    for row, pair in enumerate(pairs, 1):
        finding = faults.get(row)
        if finding is None:
            kept.append(pair)
        elif finding.rule == "swapped" and not drop_swapped:
            kept.append((pair[1], pair[0], pair[2]))
            swapped_back += 1
        else:
            dropped.append(finding)
    if not kept:
        raise UserError(
            f"none of {with_noun(len(pairs), 'pair')} is left by the rules. Switch "
            f"some off, such as --without {dropped[0].rule}"
        )
    return CleanedCorpus(kept, dropped, swapped_back)
