"""Minimum Bayes risk: the candidate that is on average most like all samples.

Knows candidates and a utility; not what candidates are, and not how they are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

Candidate = TypeVar("Candidate", bound=Hashable)

Utility = Callable[[Sequence[Candidate], Sequence[Candidate]], list[list[float]]]
"""`utility(hypotheses, references) -> [[one number for each reference] for each]`.

How good each hypothesis would be if the reference were right; higher is better.
"""


class MBRCandidate(NamedTuple):
    """A candidate, by its place, and how good it is expected to be.

    Attributes:
        position: Where the candidate first stands among those given.
        utility: Its mean utility over all samples.
    """

    position: int
    utility: float


def mbr_decode(
    candidates: Sequence[Candidate],
    utility: Utility[Candidate],
    *,
    samples: Sequence[Candidate] | None = None,
) -> list[MBRCandidate]:
    """Rank candidates by their expected utility, where samples stand for the truth.

    The mode of a translation model is often a poor translation; what most samples
    have in common is not. Repeated samples weigh as often as they come, and are
    compared once.

    Args:
        candidates: What may be chosen, such as the texts of samples or of a beam.
        utility: Compares all with all.
        samples: What the model says by chance; the candidates themselves if None.

    Returns:
        One choice for each different candidate, best first, then in the order given.

    Raises:
        ValueError: If there are no candidates or no samples.

    Source: Eikema and Aziz 2020, section 6; Kumar and Byrne 2004.
    """
    drawn = Counter(candidates if samples is None else samples)
    different = list(dict.fromkeys(candidates))
    if not different or not drawn:
        raise ValueError("minimum Bayes risk needs at least one candidate and sample.")
    table = utility(different, list(drawn))
    count = sum(drawn.values())
    choices = [
        MBRCandidate(
            candidates.index(candidate),
            sum(u * n for u, n in zip(row, drawn.values(), strict=True)) / count,
        )
        for candidate, row in zip(different, table, strict=True)
    ]
    return sorted(choices, key=lambda choice: -choice.utility)
