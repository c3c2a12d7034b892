"""Pairwise metrics equal sacreBLEU's sentence scores."""

from __future__ import annotations

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seq2seq.metrics.pairwise import bleu_utility, chrf_utility

TEXTS = [
    "A man sleeps in a green room.",
    "a man is sleeping in the green room",
    "Ein Mann schläft.",
    "Ein Mann schläft .",
    "aaaaaaa",
    "a",
    "Ähm, ja 😀 ja!",
    "",
]


def test_the_utilities_are_sacrebleus_sentence_scores() -> None:
    chrf, bleu = CHRF(), BLEU(effective_order=True, trg_lang="de")
    chrf_scores = chrf_utility(TEXTS, TEXTS[:-1])
    bleu_scores = bleu_utility(TEXTS, TEXTS[:-1], language="de")
    for i, text in enumerate(TEXTS):
        for j, other in enumerate(TEXTS[:-1]):
            expected = chrf.sentence_score(text, [other]).score
            assert chrf_scores[i][j] == pytest.approx(expected, abs=1e-9), (text, other)
            assert bleu_scores[i][j] == bleu.sentence_score(text, [other]).score
    assert chrf_utility([""], [""]) == [[0.0]]
