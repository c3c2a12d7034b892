"""Paired tests of 1,000 segments, ours against sacreBLEU's, and how often they err.

    python tests/benchmarks/paired_tests.py

Prints seconds of both sides in one run, their ratio, and of 400 pairs of halves of one
system's output the share in which each test finds a difference at 0.05.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.metrics.sacrebleu_scores import score_segments
from seq2seq.metrics.significance import bleu_from_stats, paired_test

REPEATS = 5
NULLS = 400


def noisy(lines: list[str], random: np.random.Generator) -> list[str]:
    """Leave out every fifth word or so."""
    return [
        " ".join(word for word in line.split() if random.random() > 0.2)
        for line in lines
    ]


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(0)
    references = [target for _, target in phrase_pairs("train", count=1000)]
    one, other = noisy(references, random), noisy(references, random)
    ours, theirs = [], []
    for _ in range(REPEATS):
        started = time.process_time()
        both = [
            score_segments(lines, [references], language="de") for lines in (one, other)
        ]
        for metric in ("bleu", "chrf", "ter"):
            baseline, system = (getattr(each, metric) for each in both)
            paired_test(baseline.statistics, system.statistics, system.score_from_stats)
        ours.append(time.process_time() - started)
        started = time.process_time()
        metrics = {"b": BLEU(), "c": CHRF(word_order=2), "t": TER()}
        for test in ("bs", "ar"):
            PairedTest([("one", one), ("other", other)], metrics, [references], test)()
        theirs.append(time.process_time() - started)
    mine, its = statistics.median(ours), statistics.median(theirs)
    print(f"scores, intervals and both tests: ours {mine:.2f} s, sacreBLEU {its:.2f} s")
    print(f"ratio {its / mine:.1f}")
    rows = score_segments(one, [references], language="de").bleu.statistics
    found = np.zeros(3)
    for _ in range(NULLS):
        order = random.permutation(len(rows))
        test = paired_test(
            rows[order[:500]],
            rows[order[500:]],
            bleu_from_stats,
            samples=500,
            trials=500,
        )
        wrong = test.bootstrap_p < 0.05, test.randomization_p < 0.05
        found += [*wrong, all(wrong)]
    shares = ", ".join(f"{share:.1%}" for share in found / NULLS)
    print(f"differences found where there are none: {shares} (bootstrap, ar, both)")


if __name__ == "__main__":
    main()
