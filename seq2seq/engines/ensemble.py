"""Several engines as one: ensembles, and shallow fusion with a language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.engines.engine import Engine, RequiredTokens
from seq2seq.types import Batch, StepOutput


class EnsembleState(NamedTuple):
    """The states, or the memories, of all members.

    Attributes:
        members: One per member.
    """

    members: tuple[Any, ...]

    def select(self, rows: Tensor) -> EnsembleState:
        """Select these rows of every member."""
        return EnsembleState(tuple(member.select(rows) for member in self.members))


class Ensemble:
    """Engines with a common target vocabulary, averaged at every step.

    The mean is of probabilities, not of their logarithms, which is the distribution of
    a uniform mixture: a confident member is not overruled by an uncertain one. With
    weights it is a weighted sum of log-probabilities, which is not normalised: a
    language model beside the translation model is shallow fusion.

    Args:
        members: At least one.
        weights: Of each member's log-probabilities; None for the mean of probabilities.

    Source: Sutskever et al. 2014, section 3.6 (ensembles of LSTMs); Sennrich et al.
    2016 (Edinburgh systems), section 2.4 (mean of probabilities or of logarithms);
    Gulcehre et al. 2015, section 4.1 (shallow fusion).
    """

    def __init__(
        self, members: Sequence[Engine], weights: Sequence[float] | None = None
    ) -> None:
        self.members = tuple(members)
        self.weights = weights

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[EnsembleState, EnsembleState]:
        """Encode source sentences with every member."""
        pairs = [
            member.start(source, lengths, required_tokens) for member in self.members
        ]
        states, memories = zip(*pairs, strict=True)
        return EnsembleState(states), EnsembleState(memories)

    def step(
        self,
        last_tokens: Tensor,
        state: EnsembleState,
        memory: EnsembleState,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[EnsembleState]:
        """Take one decoding step with every member.

        Attention weights are averaged over the members that have attention. Logits have
        no meaningful mean, so log-probabilities are always normalised.
        """
        outputs = [
            member.step(last_tokens, member_state, member_memory)
            for member, member_state, member_memory in zip(
                self.members, state.members, memory.members, strict=True
            )
        ]
        weights = [
            output.attention for output in outputs if output.attention is not None
        ]
        return StepOutput(
            self._combine([output.log_probs for output in outputs]),
            EnsembleState(tuple(output.state for output in outputs)),
            torch.stack(weights).mean(dim=0) if weights else None,
        )

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets, (N, T)."""
        return self._combine([member.log_probs(batch) for member in self.members])

    def _combine(self, log_probs: Sequence[Tensor]) -> Tensor:
        """Combine the members' log-probabilities."""
        if self.weights is not None:
            total = self.weights[0] * log_probs[0]
            for weight, part in zip(self.weights[1:], log_probs[1:], strict=True):
                total.add_(part, alpha=weight)
            return total
        return torch.logsumexp(torch.stack(list(log_probs)), dim=0) - math.log(
            len(log_probs)
        )
