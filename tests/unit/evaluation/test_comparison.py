"""Comparisons of two systems, and groups of seeds."""

from __future__ import annotations

import pytest

from seq2seq.evaluation.comparison import compare_systems, group_seeds, salient_ngrams
from seq2seq.metrics.sacrebleu_scores import score_segments


def test_ngrams_that_one_gets_and_the_other_misses() -> None:
    references = [["der rote Hund schläft"] * 3 + ["ein Kater"]]
    one = ["der rote Hund schläft"] * 3 + ["eine Katze"]
    other = ["der Hund schläft"] * 3 + ["ein Kater"]
    lost, gained = salient_ngrams((one, other), references)
    assert [(gram.baseline, gram.system) for gram in lost] == [(3, 0)]
    assert "rote" in lost[0].text
    assert [gram.text for gram in gained] == ["ein Kater"]


def test_wins_and_losses_add_up_and_the_greatest_come_first() -> None:
    references = [[f"Satz {number} ist hier ganz richtig." for number in range(9)]]
    one = [*references[0][:6], "falsch", "Satz", ""]
    other = [*references[0][:5], "", "Satz 6 ist hier ganz richtig.", "Satz 7 ist", "x"]
    both = [score_segments(lines, references, language="de") for lines in (one, other)]
    metrics = [{"bleu": results.bleu, "chrf": results.chrf} for results in both]
    comparison = compare_systems(
        ("one", "other"),
        (metrics[0], metrics[1]),
        (one, other),
        references,
        n_bootstrap=50,
        n_trials=50,
    )
    assert (comparison.wins, comparison.ties, comparison.losses) == (2, 6, 1)
    assert comparison.better == [7, 8]
    assert comparison.worse == [6]
    assert set(comparison.tests) == {"bleu", "chrf"}


def test_seeds_have_a_mean_and_a_spread() -> None:
    references = ["a b c d e", "f g h i j"]
    systems = {
        "s1": score_segments(references, [references], language="de"),
        "s2": score_segments(["a b c d e", ""], [references], language="de"),
    }
    metrics = {name: {"bleu": results.bleu} for name, results in systems.items()}
    (group,) = group_seeds({"s": ["s1", "s2"], "alone": ["s1"]}, metrics)
    one, two = 100.0, systems["s2"].bleu.score.score
    assert group.members == ["s1", "s2"]
    assert group.means["bleu"] == pytest.approx((one + two) / 2)
    assert group.spreads["bleu"] == pytest.approx(abs(one - two) / 2**0.5)
