"""Several engines as one: the mean of their probabilities.

Knows engines; not what they compute with, text or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.engines.engine import Engine, RequiredTokens
from seq2seq.types import Batch, StepOutput


class EnsembleState(NamedTuple):
    """What each member keeps: a state or a memory of each.

    Attributes:
        members: One for each member.
    """

    members: tuple[Any, ...]

    def select(self, rows: Tensor) -> EnsembleState:
        """Keep these rows of every member."""
        return EnsembleState(tuple(part.select(rows) for part in self.members))


class Ensemble:
    """Engines that say the same pieces, required_tokens together at every step.

    The mean is of probabilities, not of their logarithms, as one picks a member by lot
    and then a piece: a member that is sure is not overruled by one that is not.

    Args:
        members: At least one.

    Source: Sutskever et al. 2014, section 3.6 (ensembles of LSTMs); Sennrich et al.
    2016 (Edinburgh systems), section 2.4 (mean of probabilities or of logarithms).
    """

    def __init__(self, members: Sequence[Engine]) -> None:
        self.members = tuple(members)

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[EnsembleState, EnsembleState]:
        """Let every member read the sources."""
        begun = [
            member.start(source, lengths, required_tokens) for member in self.members
        ]
        states, memories = zip(*begun, strict=True)
        return EnsembleState(states), EnsembleState(memories)

    def step(
        self,
        last: Tensor,
        state: EnsembleState,
        memory: EnsembleState,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[EnsembleState]:
        """Take one step of a search with every member.

        Its weights are the mean of those members' that have attention. Relative
        log-probabilities have no mean, so none are returned.
        """
        stepped = [
            member.step(last, own, read)
            for member, own, read in zip(
                self.members, state.members, memory.members, strict=True
            )
        ]
        weights = [each.attention for each in stepped if each.attention is not None]
        return StepOutput(
            self._mean([each.log_probs for each in stepped]),
            EnsembleState(tuple(each.state for each in stepped)),
            torch.stack(weights).mean(dim=0) if weights else None,
        )

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets, (N, T)."""
        return self._mean([member.log_probs(batch) for member in self.members])

    def _mean(self, log_probs: Sequence[Tensor]) -> Tensor:
        """Take the mean of probabilities; the result is a logarithm again."""
        return torch.logsumexp(torch.stack(list(log_probs)), dim=0) - math.log(
            len(log_probs)
        )
