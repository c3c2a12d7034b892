"""The data that flows between the rooms, and the legend of dimension letters.

Knows shapes; not where tensors come from or what is done with them.

    N  sentences in a batch        E  embedding size
    S  source pieces, padded       H  hidden size (both directions joined)
    T  target pieces, padded       C  size of the context vector
    L  layers                      V  pieces in a vocabulary
    K  beams of one sentence       R  rows of a decoding step (N, or N * K in a beam)

Masks affirm: True where a piece stands. Lengths count pieces, not padding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from torch import Tensor

# The same four control pieces in every vocabulary, in this order.
PAD, UNK, BOS, EOS = 0, 1, 2, 3

RNNState = tuple[Tensor, ...]
"""What a stack of cells remembers, each part (N, L, H).

RNN and GRU have one part (hidden), LSTM has two (hidden, cell).
"""


class Batch(NamedTuple):
    """Sentence pairs as ids, padded with PAD on the right.

    Attributes:
        source: Source pieces and EOS, (N, S).
        source_lengths: Real source pieces of each sentence, (N,), always on the CPU.
        inputs: BOS and the target pieces: what the decoder reads, (N, T).
        targets: The target pieces and EOS: what it must say, (N, T).
        indices: Where each pair stands in its corpus, (N,), always on the CPU.
        num_tokens: Real target tokens of the whole optimizer step to which this batch
            belongs, over all ranks and accumulated batches: what its loss is divided
            by.
    """

    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    indices: Tensor
    num_tokens: int

    def to(self, device: object, *, non_blocking: bool = False) -> Batch:
        """Move what the model reads; lengths and rows stay where packing needs them."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device=device, non_blocking=non_blocking)  # type: ignore[call-overload,no-any-return]

        return self._replace(
            source=moved(self.source),
            inputs=moved(self.inputs),
            targets=moved(self.targets),
        )


class EncoderOutput(NamedTuple):
    """What the encoder made of a batch of source sentences.

    Attributes:
        states: The top layer's state at every position, (N, S, H); zero at padding.
        final_state: The state of every layer after the last piece, each part (N, L, H).
        mask: True where a source piece stands, (N, S).
    """

    states: Tensor
    final_state: RNNState
    mask: Tensor


class DecoderState(NamedTuple):
    """What changes from one target piece to the next.

    Attributes:
        hidden: The state of every decoder layer, each part (R, L, H).
        input_feed: The features that the last piece was chosen by, (R, E); None without
            input feeding.
    """

    hidden: RNNState
    input_feed: Tensor | None = None

    def select(self, rows: Tensor) -> DecoderState:
        """Keep these rows, in this order; a row may come twice."""
        fed = None if self.input_feed is None else self.input_feed[rows]
        return DecoderState(tuple(part[rows] for part in self.hidden), fed)

    def detach(self) -> DecoderState:
        """Return the same numbers, through which no gradient comes back."""
        fed = None if self.input_feed is None else self.input_feed.detach()
        return DecoderState(tuple(part.detach() for part in self.hidden), fed)


class DecoderOutput(NamedTuple):
    """What the decoder made of target pieces.

    Attributes:
        features: Of the next piece at every position, (N, T, E).
        attention: How much each position read of every source position, (N, T, S); None
            without attention.
        state: The state after the last piece.
    """

    features: Tensor
    attention: Tensor | None
    state: DecoderState


class AttentionMemory(NamedTuple):
    """What attention reads: the source, position by position.

    Attributes:
        keys: What queries are compared with, (N, S, Q).
        values: What is read, (N, S, H).
        mask: True where a source piece stands, (N, S).
    """

    keys: Tensor
    values: Tensor
    mask: Tensor


class Memory(NamedTuple):
    """What the decoder may read at every step, and never changes.

    In a search all rows of a sentence share its row here.

    Attributes:
        context: The context vector of each sentence, (N, C); None where the decoder
            sees it only as its initial state.
        source: The encoder's states; None without attention.
    """

    context: Tensor | None = None
    source: AttentionMemory | None = None

    def select(self, rows: Tensor) -> Memory:
        """Keep these rows, in this order; a row may come twice."""
        context = None if self.context is None else self.context[rows]
        source = self.source and AttentionMemory(*(part[rows] for part in self.source))
        return Memory(context, source)


StateT = TypeVar("StateT")


@dataclass(frozen=True)
class StepOutput(Generic[StateT]):
    """What one step of a search says of every row.

    Attributes:
        log_probs: Log-probabilities of the next piece in nats, (R, V), none above 0;
            -inf marks a piece that cannot come.
        state: The state after the last piece, a row for each.
        attention: How much the step read of every source position, (R, S); None without
            attention.
        unnormalized: Whether all log-probabilities of a row may be off by one number.
    """

    log_probs: Tensor
    state: StateT
    attention: Tensor | None = None
    unnormalized: bool = False


@dataclass(frozen=True)
class DecoderFeatures(Generic[StateT]):
    """What one step of a search comes to before pieces are scored.

    Attributes:
        features: What every piece of the vocabulary is scored by, (R, E).
        state: As in `StepOutput`.
        attention: As in `StepOutput`.
    """

    features: Tensor
    state: StateT
    attention: Tensor | None = None


@dataclass(frozen=True)
class Hypothesis:
    """One translation as ids.

    Attributes:
        tokens: The target pieces, without BOS and EOS.
        log_prob: Sum of the pieces' log-probabilities in nats, EOS included.
        score: What the search ranked by: log_prob, normalised by length.
        finished: False where the length limit cut it off before EOS.
        attention: What each piece, and EOS where it was reached, read of every source
            position, (length, S), on the CPU; None without attention. No part of what
            makes two hypotheses equal.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    attention: Tensor | None = field(default=None, compare=False, repr=False)
