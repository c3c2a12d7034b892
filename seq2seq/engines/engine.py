"""The interface between search and a trained model, and its torch implementation."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from seq2seq.engines.prepacked_decoder import prepack_decoder
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.decoder import Decoder
from seq2seq.tasks.language_model import LanguageModelNetwork
from seq2seq.types import Batch, DecoderFeatures, StepOutput

RequiredTokens = Sequence[Iterable[int]]
"""For each sentence, ids that its translation must be able to contain."""

POSITIONS = 1024  # Target positions whose logits are computed at once.


class Engine(Protocol):
    """Encodes source sentences and steps through their translations.

    State and memory are opaque to a search, which only selects rows of them.
    """

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, Any]:
        """Encode source sentences and initialise the decoder.

        Args:
            source: Tokens and EOS, padded on the right, (N, S).
            lengths: Tokens of each sentence, EOS included, (N,), on the CPU.
            required_tokens: Tokens that each translation must be able to contain, one
                collection per sentence, or none; for engines that score only part of
                the vocabulary.

        Returns:
            The decoder state before the first target token, and the memory.
        """
        ...

    def step(
        self,
        last_tokens: Tensor,
        state: Any,
        memory: Any,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[Any]:
        """Take one decoding step, as `search.step.StepFunction` specifies.

        Args:
            last_tokens: The previous token of each row, (R,).
            state: The decoder state before it.
            memory: As returned by `start`.
            unnormalized: Whether logits may be returned in place of log-probabilities,
                where that is faster.
        """
        ...

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets: log-probability of every token and EOS in nats, (N, T).

        Values at padding are undefined.

        Raises:
            UserError: If this engine can only search.
        """
        ...


class FeatureEngine(Engine, Protocol):
    """An engine whose step can stop before the output layer."""

    def step_features(
        self, last_tokens: Tensor, state: Any, memory: Any
    ) -> DecoderFeatures[Any]:
        """Take one decoding step, up to the input of the output layer."""
        ...


class TorchEngine:
    """The network on torch: the default engine, and the reference for the others.

    On a CPU, steps use a copy of the weights in the layout of oneDNN, so the network's
    weights must not change after the first step.

    Args:
        network: The trained network.
        dtype: In which the products of a step are computed, float32 or bfloat16.
    """

    def __init__(
        self, network: EncoderDecoder, dtype: torch.dtype = torch.float32
    ) -> None:
        self.network = network.eval()
        self.dtype = dtype
        self._step_network: EncoderDecoder | None = None

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, Any]:
        """Encode source sentences and initialise the decoder."""
        return self.network.init_decoder(self.network.encoder(source, lengths))

    def step(
        self,
        last_tokens: Tensor,
        state: Any,
        memory: Any,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[Any]:
        """Take one decoding step."""
        return self.step_network.step(
            last_tokens, state, memory, unnormalized=unnormalized
        )

    def step_features(
        self, last_tokens: Tensor, state: Any, memory: Any
    ) -> DecoderFeatures[Any]:
        """Take one decoding step, up to the input of the output layer."""
        return self.step_network.step_features(last_tokens, state, memory)

    @property
    def step_network(self) -> EncoderDecoder:
        """The network that takes single steps; prepacked on first use."""
        if self._step_network is None:
            self._step_network = make_step_network(self.network, self.dtype)
        return self._step_network

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the prepacked weights, which cannot be pickled."""
        return {"network": self.network, "dtype": self.dtype, "_step_network": None}

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets, (N, T)."""
        features = self.network.forward_decoder(batch).features  # (N, T, E)
        return target_log_probs(self.network.decoder, features, batch.targets)


def target_log_probs(decoder: Decoder, features: Tensor, targets: Tensor) -> Tensor:
    """Return the log-probability of each target token, (N, T).

    Args:
        decoder: The decoder that made the features.
        features: Input of its output layer, (N, T, E).
        targets: Token ids, (N, T).
    """
    scores = []
    # Not all at once: the logits (N, T, V) of long sentences would not fit.
    for chunk, tokens in zip(
        features.flatten(0, 1).split(POSITIONS),
        targets.flatten().split(POSITIONS),
        strict=True,
    ):
        log_probs = torch.log_softmax(decoder.logits(chunk), dim=-1)
        scores.append(log_probs.gather(1, tokens[:, None])[:, 0])
    return torch.cat(scores).view_as(targets)


NetworkT = TypeVar("NetworkT", EncoderDecoder, LanguageModelNetwork)


def make_step_network(
    network: NetworkT, dtype: torch.dtype = torch.float32
) -> NetworkT:
    """Prepack the decoder for single steps; return the network itself if impossible."""
    weight = network.decoder.output_layer.weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return network
    try:
        step_network = copy.copy(network)
        step_network._modules = {
            **network._modules,
            "decoder": prepack_decoder(network.decoder, dtype),
        }
    except RuntimeError:
        return network
    return step_network
