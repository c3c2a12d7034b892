"""What a search needs of a trained run, whatever computes it.

Knows tensors of ids and log-probabilities; not text, recipes or files.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.structures import Batch, Step

POSITIONS = 1024  # Target pieces that are scored at once.


class Engine(Protocol):
    """Something that reads sources and steps through targets.

    State and memory are the engine's own; searches only select rows of them.
    """

    def start(self, source: Tensor, lengths: Tensor) -> tuple[Any, Any]:
        """Read sources.

        Args:
            source: Pieces and EOS, padded on the right, (N, S).
            lengths: Real pieces of each, EOS included, (N,), on the CPU.

        Returns:
            The state before the first target piece, and the memory.
        """
        ...

    def step(self, last: Tensor, state: Any, memory: Any) -> Step[Any]:
        """Take one step of a search, as `search.step.StepFunction` says."""
        ...

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets: nats of every piece and of EOS, (N, T).

        What stands at padding means nothing.

        Raises:
            InputError: If this engine only searches.
        """
        ...


class NetworkEngine:
    """A network on torch: the default engine, and what others are checked against.

    Args:
        network: The trained network.
    """

    def __init__(self, network: EncoderDecoder) -> None:
        self.network = network.eval()

    def start(self, source: Tensor, lengths: Tensor) -> tuple[Any, Any]:
        """Read sources."""
        return self.network.start(self.network.encoder(source, lengths))

    def step(self, last: Tensor, state: Any, memory: Any) -> Step[Any]:
        """Take one step of a search."""
        return self.network.step(last, state, memory)

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets, (N, T)."""
        features = self.network.decode(batch).features
        found = []
        # Not all at once: (N, T, V) of a long line would not fit.
        for some, targets in zip(
            features.flatten(0, 1).split(POSITIONS),
            batch.targets.flatten().split(POSITIONS),
            strict=True,
        ):
            said = torch.log_softmax(self.network.decoder.logits(some), dim=-1)
            found.append(said.gather(1, targets[:, None])[:, 0])
        return torch.cat(found).view_as(batch.targets)
