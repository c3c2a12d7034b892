"""Time of paired tests of 1,000 segments beside sacreBLEU's, and false positives.

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
    seconds: list[float] = []
    sacrebleu_seconds: list[float] = []
    for _ in range(REPEATS):
        started = time.process_time()
        results = [
            score_segments(lines, [references], language="de") for lines in (one, other)
        ]
        for metric in ("bleu", "chrf", "ter"):
            baseline, system = (getattr(result, metric) for result in results)
            paired_test(baseline.statistics, system.statistics, system.score_from_stats)
        seconds.append(time.process_time() - started)
        started = time.process_time()
        metrics = {"b": BLEU(), "c": CHRF(word_order=2), "t": TER()}
        for test in ("bs", "ar"):
            PairedTest([("one", one), ("other", other)], metrics, [references], test)()
        sacrebleu_seconds.append(time.process_time() - started)
    median = statistics.median(seconds)
    baseline_median = statistics.median(sacrebleu_seconds)
    print(
        f"scores, intervals and both tests: seq2seq {median:.2f} s, "
        f"sacreBLEU {baseline_median:.2f} s"
    )
    print(f"ratio {baseline_median / median:.1f}")
    rows = score_segments(one, [references], language="de").bleu.statistics
    false_positives = np.zeros(3)
    for _ in range(NULLS):
        order = random.permutation(len(rows))
        test = paired_test(
            rows[order[:500]],
            rows[order[500:]],
            bleu_from_stats,
            n_bootstrap=500,
            n_trials=500,
        )
        significant = test.bootstrap_p < 0.05, test.randomization_p < 0.05
        false_positives += [*significant, all(significant)]
    shares = ", ".join(f"{share:.1%}" for share in false_positives / NULLS)
    print(f"false positives at 0.05: {shares} (bootstrap, ar, both)")


if __name__ == "__main__":
    main()
