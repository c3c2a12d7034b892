"""Minimum Bayes risk decoding over samples (Eikema and Aziz 2020)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple, TypeVar

from seq2seq.recipe import SearchOptions
from seq2seq.types import Hypothesis

EPSILON = 0.02
"""Epsilon cutoff of the samples where the recipe truncates nothing."""

MAX_SAMPLES_PER_BATCH = 512
"""Samples that are decoded in one batch, over all of its sentences."""

Candidate = TypeVar("Candidate", bound=Hashable)

Utility = Callable[[Sequence[Candidate], Sequence[Candidate]], list[list[float]]]
"""`utility(hypotheses, references)`: (hypotheses, references), higher is better.

The quality of each hypothesis if the reference were right.
"""


class MBRCandidate(NamedTuple):
    """A candidate and its expected utility.

    Attributes:
        position: Index of its first occurrence among the candidates.
        utility: Its mean utility over all samples.
    """

    position: int
    utility: float


def mbr_decode(
    candidates: Sequence[Candidate], utility: Utility[Candidate]
) -> list[MBRCandidate]:
    """Rank samples by expected utility, with all of them as pseudo-references.

    The mode of a translation model is often a poor translation; what most samples
    have in common is not. Repeated samples count as often as they occur, and are
    compared once.

    Args:
        candidates: Texts of samples, at least one.
        utility: Compares every candidate with every other.

    Returns:
        One for each distinct candidate, best first; ties in the order given.

    Raises:
        ValueError: If there are no candidates.

    Source: Eikema and Aziz 2020, section 6; Kumar and Byrne 2004.
    """
    counts = Counter(candidates)  # In the order of first occurrence.
    distinct = list(counts)
    if not distinct:
        raise ValueError("minimum Bayes risk needs at least one candidate.")
    table = utility(distinct, distinct)
    total = sum(counts.values())
    ranked = [
        MBRCandidate(
            candidates.index(candidate),
            sum(u * n for u, n in zip(row, counts.values(), strict=True)) / total,
        )
        for candidate, row in zip(distinct, table, strict=True)
    ]
    return sorted(ranked, key=lambda candidate: -candidate.utility)


def mbr_sampling_options(search: SearchOptions) -> SearchOptions:
    """Return the search options for drawing samples, never from the full vocabulary.

    Where the options truncate nothing, epsilon sampling is used, the best of those that
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
    metric: Literal["chrf", "bleu"],
    language: str,
) -> list[Hypothesis]:
    """Rank the samples of one sentence by their mean utility over all of them.

    Args:
        samples: Samples of one sentence.
        texts: Their detokenized texts.
        metric: Sentence-level metric used as the utility.
        language: The target language, which BLEU needs.

    Returns:
        One for each distinct text, best first; its score is its mean utility, 0 to 100.
    """
    from seq2seq.metrics.pairwise import bleu_utility, chrf_utility

    utility = chrf_utility
    if metric == "bleu":
        utility = partial(bleu_utility, language=language)
    return [
        replace(samples[candidate.position], score=candidate.utility)
        for candidate in mbr_decode(texts, utility)
    ]
