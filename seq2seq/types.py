"""Tensors that modules exchange, and the legend of dimension letters.

    N  sentences in a batch        E  embedding size
    S  source length, padded       H  hidden size (both directions concatenated)
    T  target length, padded       C  size of the context vector
    L  layers                      V  vocabulary size
    K  beams of one sentence       R  rows of a decoding step (N, or N * K in a beam)
    Q  size of attention's queries and keys

Masks are True at real tokens, False at padding. Lengths count tokens without padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

# The four control tokens of every vocabulary, in this order.
PAD, UNK, BOS, EOS = 0, 1, 2, 3

RNNState = tuple[Tensor, ...]
"""State of a stack of recurrent layers, each component (N, L, H).

RNN and GRU have one component (hidden), LSTM has two (hidden, cell).
"""


class Batch(NamedTuple):
    """Sentence pairs as token ids, padded with PAD on the right.

    Attributes:
        source: Source tokens and EOS, (N, S).
        source_lengths: Number of real source tokens, (N,), always on the CPU.
        inputs: Decoder input: BOS and the target tokens, (N, T).
        targets: Expected decoder output: the target tokens and EOS, (N, T).
        indices: Index of each pair in its corpus, (N,), always on the CPU.
        num_tokens: Real target tokens of the whole optimizer step that this batch
            belongs to, over all ranks and accumulated batches: the divisor of its loss.
    """

    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    indices: Tensor
    num_tokens: int

    def count_targets(self) -> Tensor:
        """Count the real targets, on their device, a scalar; a number is always one."""
        if self.targets.is_floating_point():
            return torch.tensor(self.targets.numel(), device=self.targets.device)
        return (self.targets != PAD).sum()

    def to(self, device: object) -> Batch:
        """Move token ids to a device; lengths stay on the CPU, as packing needs.

        The host waits only for what comes from a GPU, whose kernels may be under way.
        """

        def move(tensor: Tensor) -> Tensor:
            from_host = tensor.device.type == "cpu"
            return tensor.to(device=device, non_blocking=from_host)  # type: ignore[call-overload,no-any-return]

        return self._replace(
            source=move(self.source),
            inputs=move(self.inputs),
            targets=move(self.targets),
        )


class EncoderOutput(NamedTuple):
    """Output of the encoder.

    Attributes:
        states: Hidden states of the top layer, (N, S, H); zero at padding.
        final_state: State of all layers after the last token, each component (N, L, H).
        mask: True at real source tokens, (N, S).
    """

    states: Tensor
    final_state: RNNState
    mask: Tensor


class DecoderState(NamedTuple):
    """Decoder state that changes from one target token to the next.

    Attributes:
        hidden: State of every decoder layer, each component (R, L, H).
        input_feed: Features of the previous step (Luong et al. 2015, section 3.3),
            (R, E); None without input feeding.
    """

    hidden: RNNState
    input_feed: Tensor | None = None

    def select(self, rows: Tensor) -> DecoderState:
        """Return these rows in this order; a row may be repeated."""
        hidden = tuple(part.index_select(0, rows) for part in self.hidden)
        if self.input_feed is None:
            return DecoderState(hidden)
        return DecoderState(hidden, self.input_feed.index_select(0, rows))

    def detach(self) -> DecoderState:
        """Return the same state cut off from the graph of gradients."""
        input_feed = None if self.input_feed is None else self.input_feed.detach()
        return DecoderState(tuple(part.detach() for part in self.hidden), input_feed)


class DecoderOutput(NamedTuple):
    """Output of the decoder over target tokens.

    Attributes:
        features: Input of the output layer at every position, (N, T, E).
        attention: Attention weights, (N, T, S); None without attention.
        state: State after the last token.
    """

    features: Tensor
    attention: Tensor | None
    state: DecoderState


class AttentionMemory(NamedTuple):
    """Keys and values of attention, one per source position.

    Attributes:
        keys: Compared with the queries, (N, S, Q).
        values: Averaged by the attention weights, (N, S, H).
        mask: True at real source tokens, (N, S).
    """

    keys: Tensor
    values: Tensor
    mask: Tensor


class Memory(NamedTuple):
    """Representation of the source that stays constant over all decoding steps.

    All rows of a sentence share its row here, so beams need no copies.

    Attributes:
        context: Context vector that the decoder receives at every step (Cho et al.
            2014), (N, C); None if it only initialises the decoder.
        source: Attention's keys and values; None without attention.
    """

    context: Tensor | None = None
    source: AttentionMemory | None = None

    def select(self, rows: Tensor) -> Memory:
        """Return these rows in this order; a row may be repeated."""
        context = None if self.context is None else self.context[rows]
        source = self.source and AttentionMemory(
            *(part.index_select(0, rows) for part in self.source)
        )
        return Memory(context, source)


StateT = TypeVar("StateT")


@dataclass(frozen=True)
class StepOutput(Generic[StateT]):
    """Output of one decoding step.

    Attributes:
        log_probs: Log-probabilities of the next token in nats, (R, V), none above 0;
            -inf marks a token that is excluded.
        state: State after the step, with R rows.
        attention: Attention weights, (R, S); None without attention.
        unnormalized: True if `log_probs` are logits: each row may be off by a constant.
    """

    log_probs: Tensor
    state: StateT
    attention: Tensor | None = None
    unnormalized: bool = False


@dataclass(frozen=True)
class DecoderFeatures(Generic[StateT]):
    """Output of one decoding step before the output layer.

    Attributes:
        features: Input of the output layer, (R, E).
        state: As in `StepOutput`.
        attention: As in `StepOutput`.
    """

    features: Tensor
    state: StateT
    attention: Tensor | None = None


@dataclass(frozen=True)
class Hypothesis:
    """One translation as token ids.

    Attributes:
        tokens: Target tokens, without BOS and EOS.
        log_prob: Sum of the tokens' log-probabilities in nats, EOS included.
        score: Ranking score of the search: log_prob, normalised by length.
        finished: False if the length limit was reached before EOS.
        attention: Attention weights of each token, and of EOS if it was generated,
            (length, S), on the CPU; None without attention. Ignored by `==`.
        token_log_probs: Log-probability of each token, and of EOS if it was generated,
            in nats; None where the search was not to keep them. Ignored by `==`.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    attention: Tensor | None = field(default=None, compare=False, repr=False)
    token_log_probs: Sequence[float] | None = field(
        default=None, compare=False, repr=False
    )
