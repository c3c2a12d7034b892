"""Classification: many-to-one, a label or a number for a text or for frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.metrics.classification import accuracy, macro_f1
from seq2seq.metrics.significance import Floats, estimate
from seq2seq.models.encoder_decoder import rnn_stack
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.loss import LossOutput, chunked_cross_entropy
from seq2seq.recipe.classification import ClassificationModel, ClassificationRecipe
from seq2seq.tasks.classification_data import FRAMES_FILE, FrameScaler
from seq2seq.tasks.labels import FIRST, LABELS_FILE, Labels
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.types import Batch, EncoderOutput, RNNState


class Classifier(nn.Module):
    """The encoder, its states in one vector, a linear layer.

    Args:
        options: The recipe's model section.
        inputs: V of tokens, or F numbers of a frame.
        frames: Whether sources are frames.
        outputs: V of labels; 1 for a number.
    """

    def __init__(
        self, options: ClassificationModel, inputs: int, *, frames: bool, outputs: int
    ) -> None:
        super().__init__()
        size = options.embedding_size
        embedding: nn.Embedding | nn.Linear = (
            nn.Linear(inputs, size) if frames else nn.Embedding(inputs, size)
        )
        if isinstance(embedding, nn.Embedding):
            nn.init.normal_(embedding.weight, std=size**-0.5)
        dropout = SequenceDropout(options.dropout, locked=options.locked_dropout)
        self.encoder = Encoder(
            embedding,
            rnn_stack(options, options.encoder, size),
            dropout=dropout,
            word_dropout=WordDropout(options.word_dropout),
            reverse=options.encoder.reverse_source,
        )
        self.dropout = SequenceDropout(options.dropout, locked=False)
        self.pooling = options.pooling
        width = self.encoder.rnn.size * (2 if options.pooling == "mean_max" else 1)
        self.output_layer = nn.Linear(width, outputs)

    def features(self, batch: Batch) -> Tensor:
        """Return the input of the output layer, (N, H) or (N, 2 H)."""
        encoded = self.encoder(batch.source, batch.source_lengths)
        return self.dropout(pool(encoded, self.pooling)[:, None])[:, 0]

    def logits(self, batch: Batch) -> Tensor:
        """Return unnormalised scores of all labels, (N, V), in float32."""
        scores: Tensor = self.output_layer(self.features(batch)).float()
        return scores


def pool(encoded: EncoderOutput, pooling: str) -> Tensor:
    """Return one vector of an encoder's output, (N, H); (N, 2 H) for mean_max."""
    if pooling == "final":
        return encoded.final_state[0][:, -1]
    mask = encoded.mask[:, :, None]  # (N, S, 1)
    states = encoded.states.float()
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
    maximum = states.masked_fill(~mask, -math.inf).amax(dim=1)
    vectors = {"mean": [mean], "max": [maximum], "mean_max": [mean, maximum]}
    return torch.cat(vectors[pooling], dim=1)


class Classification:
    """The task of labelling texts or frames, as `task.Task` describes it.

    Args:
        recipe: The recipe.
        vocabularies: labels.txt, and source.model or frames.json.

    Raises:
        UserError: If one of them is missing or damaged.
    """

    example = "example"

    def __init__(
        self, recipe: ClassificationRecipe, vocabularies: Vocabularies
    ) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        self.is_number = recipe.data.target == "number"
        self.labels: Labels | None = None
        if not self.is_number:
            self.labels = Labels.from_bytes(vocabularies.get(LABELS_FILE))
        self.tokenizer: Tokenizer | None = None
        self.scaler: FrameScaler | None = None
        if FRAMES_FILE in vocabularies:
            self.scaler = FrameScaler.from_bytes(vocabularies[FRAMES_FILE])
        else:
            self.tokenizer = Tokenizer(vocabularies.get("source.model", b""))
        self.num_classes = None if self.labels is None else len(self.labels.names)
        names = ("rmse",) if self.is_number else ("accuracy", "macro_f1")
        self.score_names = [
            f"{name}{end}" for name in names for end in ("", "_low", "_high")
        ]

    def network(self) -> Classifier:
        """Build the network with random weights."""
        inputs = len(self.tokenizer or ()) if self.scaler is None else self.scaler.size
        return Classifier(
            self.recipe.model,
            inputs,
            frames=self.scaler is not None,
            outputs=1 if self.labels is None else len(self.labels),
        )

    def loss(
        self, network: Classifier, batch: Batch, state: RNNState | None = None
    ) -> tuple[LossOutput, None]:
        """Compute the cross-entropy, or the squared error of numbers, as sums."""
        if self.is_number:
            error = network.logits(batch) - batch.targets
            total = error.square().sum()
            return LossOutput(total, total.detach()), None
        smoothing = self.recipe.train.label_smoothing if network.training else 0.0
        output = chunked_cross_entropy(
            network.features(batch),
            network.output_layer,
            batch.targets[:, 0],
            smoothing=smoothing,
        )
        return output, None

    def probabilities(self, network: Classifier, batch: Batch) -> Tensor:
        """Return the probability of each label, (N, C)."""
        return torch.softmax(network.logits(batch)[:, FIRST:], dim=1)

    def predict(self, network: Classifier, batch: Batch) -> list[str]:
        """Return the most probable label, or the number."""
        if self.labels is None:
            return [f"{value:.6g}" for value in network.logits(batch)[:, 0].tolist()]
        best = self.probabilities(network, batch).argmax(dim=1) + FIRST
        return self.labels.decode(best.tolist())

    def references(self, batch: Batch) -> list[str]:
        """Return the targets as text."""
        targets = batch.targets[:, 0].tolist()
        if self.labels is None:
            return [f"{value:.6g}" for value in targets]
        return self.labels.decode(targets)

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Return accuracy and macro F1 in percent, or the root mean square error."""
        if self.labels is None:
            pairs = zip(predictions, references, strict=True)
            errors = [[(float(a) - float(b)) ** 2, 1.0] for a, b in pairs]
            rmse = estimate(torch.tensor(errors).double().numpy(), _root_mean)
            return {"rmse": Score.of(rmse, "RMSE", 4)}
        return {
            "accuracy": Score.of(accuracy(predictions, references), "accuracy"),
            "macro_f1": Score.of(
                macro_f1(predictions, references, self.labels.names), "macro F1"
            ),
        }


def _root_mean(sums: Floats) -> Floats:
    result: Floats = (sums[:, 0] / sums[:, 1]) ** 0.5
    return result
