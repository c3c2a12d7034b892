"""Captioning: one-to-many, a text for a picture, by attention over its positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.metrics.classification import accuracy
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import SearchOptions
from seq2seq.recipe.captioning import (
    CaptioningModel,
    CaptioningRecipe,
    ConvolutionEncoder,
)
from seq2seq.recipe.model import EncoderOptions, ModelOptions
from seq2seq.tasks.captioning_data import SHAPE_FILE
from seq2seq.tasks.generation import decode_targets, greedy_hypotheses
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.types import EOS, Batch, EncoderOutput, RNNState

MAX_CAPTION = 50
"""A caption has at most twice as many tokens and 10 more, as translations have."""


class PictureEncoder(nn.Module):
    """Positions of a picture as states, their mean as the final state.

    Pixels go through 3 x 3 convolutions with batch normalisation (Ioffe and Szegedy
    2015), since pictures on one background differ little: normalised each by itself
    they stay alike, and so do their captions. Features go through a linear layer. Every
    position has a learned vector, since attention does not know where it looks.

    Args:
        options: The recipe's model section.
        shape: Of a picture: (C, H, W) or (P, F).
    """

    def __init__(self, options: CaptioningModel, shape: Sequence[int]) -> None:
        super().__init__()
        encoder = options.encoder
        size = encoder.size
        self.shift = 0
        self.num_components = 2 if options.decoder.cell in ("lstm", "min_lstm") else 1
        if isinstance(encoder, ConvolutionEncoder):
            self.shift = encoder.shift
            channels, (height, width) = shape[0], shape[1:]
            layers: list[nn.Module] = []
            for outputs, stride in zip(encoder.channels, encoder.strides, strict=True):
                layers += [
                    nn.Conv2d(channels, outputs, 3, stride, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                ]
                channels = outputs
                height, width = -(-height // stride), -(-width // stride)
            self.layers = nn.Sequential(*layers)
            positions = height * width
        else:
            positions = shape[0]
            self.layers = nn.Sequential(nn.Linear(shape[1], size))
        self.positions = nn.Parameter(torch.randn(positions, size) * 0.1)

    def forward(self, source: Tensor, lengths: Tensor) -> EncoderOutput:
        """Encode pictures, (N, C, H, W) or (N, P, F).

        Returns:
            States of all positions, (N, P, H), and their mean as the final state.
        """
        if source.dim() == 4:
            pixels = source.to(self.positions.dtype) / 127.5 - 1
            if self.training and self.shift:
                pixels = _shift(pixels, self.shift)
            states = self.layers(pixels).flatten(2).transpose(1, 2)
        else:
            states = self.layers(source)
        states = states + self.positions
        mean = states.mean(dim=1, keepdim=True)
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return EncoderOutput(states, (mean,) * self.num_components, mask)


def _shift(pixels: Tensor, most: int) -> Tensor:
    """Shift each picture by itself, and fill up with its border's colours."""
    rows, height, width = len(pixels), *pixels.shape[2:]
    padded = nn.functional.pad(pixels, (most,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * most + 1, (2, rows, 1, 1), device=pixels.device)
    row = top + torch.arange(height, device=pixels.device)[:, None]
    column = left + torch.arange(width, device=pixels.device)
    picture = torch.arange(rows, device=pixels.device)[:, None, None]
    return padded[picture, :, row, column].permute(0, 3, 1, 2)  # (N, C, H, W)


class Captioning:
    """The task of captioning, as `task.Task` describes it.

    Args:
        recipe: The recipe.
        vocabularies: target.model and picture.txt.

    Raises:
        UserError: If one of them is missing or damaged.
    """

    example = "picture"
    score_names = ("exact", "exact_low", "exact_high", "bleu", "bleu_low", "bleu_high")

    def __init__(self, recipe: CaptioningRecipe, vocabularies: Vocabularies) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        self.tokenizer = Tokenizer(vocabularies.get("target.model", b""))
        self.num_classes: int | None = len(self.tokenizer)
        try:
            self.shape = tuple(map(int, vocabularies[SHAPE_FILE].decode().split()))
        except (KeyError, ValueError) as error:
            raise UserError(f"{SHAPE_FILE} is missing or damaged.") from error
        pixels = isinstance(recipe.model.encoder, ConvolutionEncoder)
        if pixels != (len(self.shape) == 3):
            wanted = "convolution" if len(self.shape) == 3 else "features"
            raise UserError(
                f"pictures have the shape {self.shape}, for which the recipe needs "
                f"model.encoder: {wanted}"
            )

    def network(self) -> EncoderDecoder:
        """Build the encoder-decoder, with an encoder of pictures."""
        options = self.recipe.model
        encoder = EncoderOptions(
            cell=options.decoder.cell,
            layers=1,
            hidden_size=options.encoder.size,
            bidirectional=False,
        )
        model = ModelOptions(
            embedding_size=options.embedding_size,
            encoder=encoder,
            decoder=options.decoder,
            attention=options.attention,
            dropout=options.dropout,
            word_dropout=options.word_dropout,
            tie_embeddings="none",
        )
        network = EncoderDecoder(
            model, source_vocab_size=EOS + 1, target_vocab_size=len(self.tokenizer)
        )
        network.encoder = PictureEncoder(options, self.shape)  # type: ignore[assignment]
        return network

    def loss(
        self, network: EncoderDecoder, batch: Batch, state: RNNState | None = None
    ) -> tuple[LossOutput, None]:
        """Compute the cross-entropy of the captions by teacher forcing."""
        smoothing = self.recipe.train.label_smoothing if network.training else 0.0
        return network(batch, smoothing=smoothing), None

    def predict(self, network: EncoderDecoder, batch: Batch) -> list[str]:
        """Write captions by greedy search."""
        lengths = torch.full_like(batch.targets[:, 0], MAX_CAPTION)
        hypotheses = greedy_hypotheses(network, batch, lengths, SearchOptions())
        return self.tokenizer.decode([h.tokens for h in hypotheses])

    def references(self, batch: Batch) -> list[str]:
        """Decode the targets."""
        return decode_targets(batch, self.tokenizer)

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Return the exact matches in percent, and BLEU."""
        from seq2seq.metrics.sacrebleu_scores import bleu_ci  # Takes half a second.

        language = self.recipe.data.language
        bleu, (low, high) = bleu_ci(predictions, references, language=language)
        exact = Score.of(accuracy(predictions, references), "exact")
        return {"exact": exact, "bleu": Score(bleu, "BLEU", low, high)}
