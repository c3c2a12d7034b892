"""Samples that speak for each other: minimum Bayes risk over texts.

Knows hypotheses and their texts; not how they were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from seq2seq.recipe import SearchOptions
from seq2seq.translate.mbr_ranking import mbr_decode
from seq2seq.types import Hypothesis

EPSILON = 0.02
"""Pieces of a smaller probability are not drawn, unless the recipe cuts otherwise."""

SAMPLES_AT_ONCE = 512


def mbr_sampling_options(search: SearchOptions) -> SearchOptions:
    """Return how samples are drawn: as the options say, but never from all pieces.

    Where the options cut nothing, epsilon sampling is used, the best of those that
    Freitag et al. 2023 (section 5) compared for this end.
    """
    sampling = search.sampling
    if not sampling.top_k and sampling.top_p == 1 and not sampling.epsilon_cutoff:
        sampling = sampling.model_copy(update={"epsilon_cutoff": EPSILON})
    return search.model_copy(update={"method": "sample", "sampling": sampling})


def rerank_mbr(
    samples: Sequence[Hypothesis],
    texts: Sequence[str],
    *,
    utility: Literal["chrf", "bleu"],
    language: str,
) -> list[Hypothesis]:
    """Rank samples by how like all of them each is on average.

    Args:
        samples: What was drawn of one sentence.
        texts: What each of them says.
        utility: How alike two texts are.
        language: The target language, which BLEU needs.

    Returns:
        One for each different text, best first; its score is its mean utility.
    """
    from seq2seq.metrics.pairwise import bleu_utility, chrf_utility

    compare = chrf_utility
    if utility == "bleu":
        compare = partial(bleu_utility, language=language)
    return [
        replace(samples[choice.position], score=choice.utility)
        for choice in mbr_decode(texts, compare)
    ]
