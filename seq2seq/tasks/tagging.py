"""Tagging: many-to-many, a label for every word of a sentence or every frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seq2seq.metrics.classification import token_accuracy, word_f1
from seq2seq.models.encoder_decoder import rnn_stack
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.encoder import Encoder
from seq2seq.nn.loss import LossOutput, chunked_cross_entropy
from seq2seq.recipe.tagging import TaggingModel, TaggingRecipe
from seq2seq.tasks.classification_data import FRAMES_FILE, FrameScaler
from seq2seq.tasks.labels import FIRST, LABELS_FILE, Labels
from seq2seq.tasks.segmentation import BOUNDARY_TAGS
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.tasks.word_features import FEATURES_FILE, FeatureTable
from seq2seq.types import PAD, UNK, Batch, RNNState


class FeatureEmbedding(nn.Module):
    """The sum of the embeddings of a word's features.

    Args:
        vocab_size: Features of all words.
        size: E.
        dropout: Rate at which the form, the first feature, is replaced by UNK
            (Kiperwasser and Goldberg 2016, section 4.1, with one rate for all words).
    """

    def __init__(self, vocab_size: int, size: int, *, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, size, padding_idx=PAD)
        nn.init.normal_(self.table.weight, std=0.3)
        self.dropout = dropout

    def forward(self, features: Tensor) -> Tensor:
        """Embed ids of features, (N, S, K), as (N, S, E)."""
        if self.training and self.dropout:
            dropped = torch.rand(features.shape[:2], device=features.device)
            forms = features[:, :, 0].masked_fill(dropped < self.dropout, UNK)
            features = torch.cat([forms[:, :, None], features[:, :, 1:]], dim=2)
        embedded: Tensor = self.table(features).sum(dim=2)
        return embedded


class Tagger(nn.Module):
    """The encoder, and a linear layer over each of its states.

    Args:
        options: The recipe's model section.
        inputs: V of features, or F numbers of a frame.
        frames: Whether sources are frames.
        outputs: V of tags.
    """

    def __init__(
        self, options: TaggingModel, inputs: int, *, frames: bool, outputs: int
    ) -> None:
        super().__init__()
        size = options.embedding_size
        embedding: nn.Module = (
            nn.Linear(inputs, size)
            if frames
            else FeatureEmbedding(inputs, size, dropout=options.word_dropout)
        )
        dropout = SequenceDropout(options.dropout, locked=options.locked_dropout)
        self.encoder = Encoder(
            embedding,
            rnn_stack(options, options.encoder, size),
            dropout=dropout,
            word_dropout=WordDropout(0.0),
            reverse=options.encoder.reverse_source,
        )
        self.dropout = dropout
        self.recurrent = options.recurrent
        self.output_layer = nn.Linear(self.encoder.rnn.size, outputs)

    def features(self, batch: Batch) -> Tensor:
        """Return the input of the output layer at every position, (N, S, H)."""
        if self.recurrent:
            states = self.encoder(batch.source, batch.source_lengths).states
        else:
            rows = batch.source.flatten(0, 1)[:, None]  # (N * S, 1, K or F)
            ones = torch.ones(len(rows), dtype=torch.int64)
            alone = self.encoder(rows, ones).states[:, 0]
            states = alone.unflatten(0, batch.source.shape[:2])
        return self.dropout(states)

    def logits(self, batch: Batch) -> Tensor:
        """Return unnormalised scores of all tags, (N, S, V), in float32."""
        scores: Tensor = self.output_layer(self.features(batch)).float()
        return scores


class Tagging:
    """The task of tagging, as `task.Task` describes it.

    Args:
        recipe: The recipe.
        vocabularies: labels.txt, and features.json or frames.json.

    Raises:
        UserError: If one of them is missing or damaged.
    """

    example = "sentence"

    def __init__(self, recipe: TaggingRecipe, vocabularies: Vocabularies) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        self.labels = Labels.from_bytes(vocabularies.get(LABELS_FILE))
        self.num_classes: int | None = len(self.labels.names)
        self.scaler: FrameScaler | None = None
        self.table: FeatureTable | None = None
        if FRAMES_FILE in vocabularies:
            self.scaler = FrameScaler.from_bytes(vocabularies[FRAMES_FILE])
        else:
            self.table = FeatureTable.from_bytes(vocabularies.get(FEATURES_FILE, b""))
        self.is_segmentation = set(self.labels.names) <= set(BOUNDARY_TAGS)
        names = ["accuracy", *(["word_f1"] if self.is_segmentation else [])]
        self.score_names = [
            f"{name}{end}" for name in names for end in ("", "_low", "_high")
        ]

    def network(self) -> Tagger:
        """Build the network with random weights."""
        inputs = len(self.table or ()) if self.scaler is None else self.scaler.size
        return Tagger(
            self.recipe.model,
            inputs,
            frames=self.scaler is not None,
            outputs=len(self.labels),
        )

    def loss(
        self, network: Tagger, batch: Batch, state: RNNState | None = None
    ) -> tuple[LossOutput, None]:
        """Compute the cross-entropy of all tags, as a sum."""
        smoothing = self.recipe.train.label_smoothing if network.training else 0.0
        output = chunked_cross_entropy(
            network.features(batch).flatten(0, 1),
            network.output_layer,
            batch.targets.flatten(),
            smoothing=smoothing,
        )
        return output, None

    def probabilities(self, network: Tagger, batch: Batch) -> Tensor:
        """Return the probability of each tag at every position, (N, S, C)."""
        return torch.softmax(network.logits(batch)[:, :, FIRST:], dim=2)

    def predict(self, network: Tagger, batch: Batch) -> list[str]:
        """Return the most probable tag of each word, between blanks."""
        best = network.logits(batch)[:, :, FIRST:].argmax(dim=2) + FIRST
        rows = zip(best.tolist(), batch.source_lengths.tolist(), strict=True)
        return [" ".join(self.labels.decode(row[:length])) for row, length in rows]

    def words(self, line: str) -> list[str]:
        """Split a line into what is tagged: words, or characters but for blanks."""
        words = line.split()
        return list("".join(words)) if self.recipe.data.boundaries else words

    def references(self, batch: Batch) -> list[str]:
        """Return the true tags; those that training lacks are "?"."""
        return [
            " ".join(
                self.labels.decode([i])[0] if i >= FIRST else "?"
                for i in row
                if i != PAD
            )
            for row in batch.targets.tolist()
        ]

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Return the accuracy of tags, and F1 of words where tags are B, M, E, S."""
        tags = [line.split() for line in predictions]
        true = [line.split() for line in references]
        scores = {"accuracy": Score.of(token_accuracy(tags, true), "accuracy")}
        if self.is_segmentation:
            scores["word_f1"] = Score.of(word_f1(tags, true), "word F1")
        return scores
