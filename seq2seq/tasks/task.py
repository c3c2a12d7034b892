"""What differs between tasks: a protocol of five methods, and their data.

Everything else is shared: the halves of the network (`nn`), training with its
checkpoints and exact resume, runs, evaluation and reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import nn

from seq2seq.metrics.significance import Estimate
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import BaseRecipe
from seq2seq.types import Batch, RNNState

Vocabularies = Mapping[str, bytes]
"""What a network's ids mean: the contents of files, such as tokenizers, by their names.

They are kept in the run folder and in every checkpoint.
"""


class Score(NamedTuple):
    """A score of a split.

    Attributes:
        value: The score; shares are in percent, as BLEU is.
        label: Its name for people.
        low: Lower end of the 95% confidence interval; None if it has none.
        high: Upper end likewise.
        decimals: Decimals of the value that are shown.
        estimate: What a paired test is made from; None if there is none.
    """

    value: float
    label: str
    low: float | None = None
    high: float | None = None
    decimals: int = 2
    estimate: Estimate | None = None

    @classmethod
    def of(cls, estimate: Estimate, label: str, decimals: int = 2) -> Score:
        """Return an estimate under a label."""
        low, high = estimate.interval
        return cls(estimate.score, label, low, high, decimals, estimate)

    def __str__(self) -> str:
        text = f"{self.label} {self.value:.{self.decimals}f}"
        if self.low is None or self.high is None:
            return text
        digits = max(1, self.decimals - 1)
        return f"{text} ({self.low:.{digits}f} to {self.high:.{digits}f})"


class Task(Protocol):
    """One kind of learning: a recipe's network, its loss, its answers, their scores."""

    @property
    def recipe(self) -> BaseRecipe:
        """The recipe."""
        ...

    @property
    def vocabularies(self) -> Vocabularies:
        """As `Vocabularies`; what `open_task` made it of."""
        ...

    @property
    def example(self) -> str:
        """What the data consists of, in the singular: pair, text, sentence."""
        ...

    @property
    def num_classes(self) -> int | None:
        """V, of which each prediction is one: uniform guessing has the loss log V.

        None where a number is predicted.
        """
        ...

    @property
    def score_names(self) -> Sequence[str]:
        """Names of the scores, each followed by those of its interval's bounds.

        Such as bleu, bleu_low, bleu_high.
        """
        ...

    def network(self) -> nn.Module:
        """Build the network with random weights."""
        ...

    def loss(
        self, network: Any, batch: Batch, state: RNNState | None
    ) -> tuple[LossOutput, RNNState | None]:
        """Compute the loss of a batch, summed over its targets.

        Args:
            network: What `network` built; if it is in training mode, the loss to
                minimise, label smoothing and the like included.
            batch: Some examples.
            state: What the batch before returned; None at the start of an epoch.

        Returns:
            The loss, and what the next batch goes on from, detached from the graph:
            None unless the task carries state from batch to batch.
        """
        ...

    def predict(self, network: Any, batch: Batch) -> list[str]:
        """Return an answer for each example of a batch, without its targets."""
        ...

    def references(self, batch: Batch) -> list[str]:
        """Return the true answer of each example of a batch, as its targets have it."""
        ...

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Score the answers of a split.

        Args:
            predictions: Answers of `predict`.
            references: True answers, as many.

        Returns:
            Scores by name, the main one first; names that `train.monitor` may have.
        """
        ...
