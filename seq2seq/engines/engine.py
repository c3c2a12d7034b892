"""What a search needs of a trained run, whatever computes it.

Knows tensors of ids and log-probabilities; not text, recipes or files.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from seq2seq.engines.prepacked_decoder import prepack_decoder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.types import Batch, DecoderFeatures, StepOutput

RequiredTokens = Sequence[Iterable[int]]

POSITIONS = 1024  # Target pieces that are scored at once.


class Engine(Protocol):
    """Something that reads sources and steps through targets.

    State and memory are the engine's own; searches only select rows of them.
    """

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, Any]:
        """Read sources.

        Args:
            source: Pieces and EOS, padded on the right, (N, S).
            lengths: Real pieces of each, EOS included, (N,), on the CPU.
            required_tokens: Pieces that each translation must be able to hold, N times
                some, or nothing; for engines that do not score all pieces.

        Returns:
            The state before the first target piece, and the memory.
        """
        ...

    def step(
        self, last: Tensor, state: Any, memory: Any, *, unnormalized: bool = False
    ) -> StepOutput[Any]:
        """Take one step of a search, as `search.step.StepFunction` says.

        Args:
            last: The piece before, (R,).
            state: The state before it was read.
            memory: What `start` gave.
            unnormalized: Whether the log-probabilities may be unnormalized, where that
                is faster.
        """
        ...

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets: nats of every piece and of EOS, (N, T).

        What stands at padding means nothing.

        Raises:
            InputError: If this engine only searches.
        """
        ...


class FeatureEngine(Engine, Protocol):
    """An engine that can stop before pieces are scored, so that others score fewer."""

    def features(self, last: Tensor, state: Any, memory: Any) -> DecoderFeatures[Any]:
        """Take one step of a search, up to what pieces are scored by."""
        ...


class TorchEngine:
    """A network on torch: the default engine, and what others are checked against.

    Its weights must not change once it has taken a step: on a CPU, steps have copies of
    their own, laid out for single positions.

    Args:
        network: The trained network.
    """

    def __init__(self, network: EncoderDecoder) -> None:
        self.network = network.eval()
        self._step_network: EncoderDecoder | None = None

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, Any]:
        """Read sources."""
        return self.network.start(self.network.encoder(source, lengths))

    def step(
        self, last: Tensor, state: Any, memory: Any, *, unnormalized: bool = False
    ) -> StepOutput[Any]:
        """Take one step of a search."""
        return self.step_network.step(last, state, memory, unnormalized=unnormalized)

    def features(self, last: Tensor, state: Any, memory: Any) -> DecoderFeatures[Any]:
        """Take one step of a search, up to what pieces are scored by."""
        return self.step_network.features(last, state, memory)

    @property
    def step_network(self) -> EncoderDecoder:
        """What takes steps; laid out when it is first required_tokens for."""
        if self._step_network is None:
            self._step_network = make_step_network(self.network)
        return self._step_network

    def __getstate__(self) -> dict[str, Any]:
        """Leave the copies behind: their layout has no form on disk."""
        return {"network": self.network, "_step_network": None}

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


def make_step_network(network: EncoderDecoder) -> EncoderDecoder:
    """Return what steps fastest: a twin with packed matrices, or the network itself."""
    weight = network.decoder.output.weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return network
    try:
        twin = copy.copy(network)
        twin._modules = {
            **network._modules,
            "decoder": prepack_decoder(network.decoder),
        }
    except RuntimeError:
        return network
    return twin
