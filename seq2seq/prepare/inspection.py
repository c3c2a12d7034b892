"""Inspect a corpus: which pairs break which rule, lengths, scripts and characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from seq2seq.data.near_duplicates import near_groups
from seq2seq.prepare.corpus_reader import Corpus
from seq2seq.prepare.corpus_writer import TextPair
from seq2seq.prepare.rules import RULES, PairRules, Thresholds
from seq2seq.prepare.side_words import SideWords
from seq2seq.utils.language_guess import script_of

NUM_EXAMPLES = 20
_PERCENTILES = (0, 5, 50, 95, 99, 100)


class Finding(NamedTuple):
    """A pair that breaks a rule.

    Attributes:
        row: Its row in the corpus, from 1.
        rule: One of RULES.
        source: The source, as the corpus has it.
        target: The target.
        detail: The characters or numbers at fault, or the row of the other pair.
    """

    row: int
    rule: str
    source: str
    target: str
    detail: str


@dataclass(frozen=True)
class Inspection:
    """What was found in a corpus.

    Attributes:
        name: What was read.
        languages: Source and target.
        num_pairs: Its pairs.
        findings: One for each pair that breaks a rule, the first that it breaks.
        lengths: Characters of each side, at the percentiles 0, 5, 50, 95, 99 and 100.
        scripts: Of each side, letters of each script.
        foreign_characters: Of each side, letters of scripts that are not usual there.
        length_ratio: Median of target length / source length.
    """

    name: str
    languages: tuple[str, str]
    num_pairs: int
    findings: list[Finding]
    lengths: list[list[int]]
    scripts: list[dict[str, int]]
    foreign_characters: list[dict[str, int]]
    length_ratio: float

    def counts(self) -> dict[str, int]:
        """Return the number of pairs by rule, in the order of RULES."""
        counts = Counter(finding.rule for finding in self.findings)
        return {rule: counts[rule] for rule in RULES}

    def examples(self, rule: str) -> list[Finding]:
        """Return the first pairs that break a rule."""
        return [f for f in self.findings if f.rule == rule][:NUM_EXAMPLES]

    def as_json(self) -> dict[str, Any]:
        """Return everything but the findings beyond the examples."""
        fields = asdict(self)
        del fields["findings"]
        return {
            **fields,
            "percentiles": list(_PERCENTILES),
            "rules": {
                rule: {
                    "meaning": meaning,
                    "pairs": self.counts()[rule],
                    "examples": [f._asdict() for f in self.examples(rule)],
                }
                for rule, meaning in RULES.items()
            },
        }


def find_faults(
    pairs: Sequence[TextPair],
    thresholds: Thresholds,
    rules: Sequence[str] = tuple(RULES),
    *,
    keep_swapped: bool = False,
) -> Iterator[Finding]:
    """Yield the pairs that break a rule, each with the first that it breaks.

    Swapped pairs are compared with others, and measured by the other rules, as they are
    when swapped back.

    Args:
        pairs: The corpus.
        thresholds: Bounds of the rules.
        rules: Those to apply; a pair that breaks others alone is no finding.
        keep_swapped: Whether a swapped pair that breaks another rule too is a finding
            of that one, since swapping it back does not put it right.
    """
    words = SideWords([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    swapped = [
        "swapped" in rules and words.is_swapped(source, target)
        for source, target, _ in pairs
    ]
    right = [
        (target, source) if swap else (source, target)
        for (source, target, _), swap in zip(pairs, swapped, strict=True)
    ]
    sides = [[pair[0] for pair in right], [pair[1] for pair in right]]
    measure = PairRules.of(sides[0], sides[1], thresholds)
    first: dict[tuple[str, str], int] = {}
    groups = None
    if "near_duplicate" in rules:
        groups = near_groups(sides, on="both").tolist()
    for row, ((source, target, _), swap) in enumerate(zip(pairs, swapped, strict=True)):
        pair = right[row]
        faults = list(measure.faults(*pair))
        key = " ".join(pair[0].split()), " ".join(pair[1].split())
        if (before := first.setdefault(key, row)) != row:
            faults.append(("duplicate", f"row {before + 1}"))
        if groups is not None and groups[row] != row:
            faults.append(("near_duplicate", f"row {groups[row] + 1}"))
        if swap:
            faults.append(("swapped", ""))
        faults = [fault for fault in faults if fault[0] in rules]
        if faults:
            others = [fault for fault in faults if fault[0] != "swapped"]
            faults = others or faults if keep_swapped else faults
            rule, detail = min(faults, key=lambda fault: list(RULES).index(fault[0]))
            yield Finding(row + 1, rule, source, target, detail)


def inspect_corpus(corpus: Corpus, thresholds: Thresholds) -> Inspection:
    """Inspect a corpus by all rules."""
    pairs = corpus.pairs
    sides = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    measure = PairRules.of(sides[0], sides[1], thresholds)
    lengths, scripts, foreign = [], [], []
    for side, usual in zip(sides, measure.scripts, strict=True):
        characters: Counter[str] = Counter()
        for text in side:
            characters.update(text)
        counts: Counter[str] = Counter()
        unusual: Counter[str] = Counter()
        for character, count in characters.items():
            if script := script_of(character):
                counts[script] += count
                if script not in usual:
                    unusual[character] = count
        scripts.append(dict(counts.most_common()))
        foreign.append(dict(unusual.most_common(NUM_EXAMPLES)))
        sizes = np.array([len(text) for text in side])
        percentiles = np.percentile(sizes, _PERCENTILES, method="nearest")
        lengths.append(percentiles.astype(int).tolist())
    return Inspection(
        corpus.name,
        corpus.languages,
        len(pairs),
        list(find_faults(pairs, thresholds)),
        lengths,
        scripts,
        foreign,
        round(measure.length_ratio, 3),
    )
