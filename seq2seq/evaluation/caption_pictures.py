"""Captions of a split beside their pictures, with the attention of every word."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.evaluation.evaluate_task import TaskEvaluation
from seq2seq.evaluation.model_analysis import mark_words
from seq2seq.evaluation.schema import AttentionMap
from seq2seq.recipe import SearchOptions
from seq2seq.recipe.captioning import ConvolutionEncoder
from seq2seq.tasks.captioning import MAX_CAPTION, Captioning
from seq2seq.tasks.captioning_data import CaptionedExamples
from seq2seq.tasks.generation import greedy_hypotheses
from seq2seq.translate.alignment import align
from seq2seq.translate.input_splitting import WORD

NUM_PICTURES = 12
MAX_WRONG = 8  # Of them, where enough are right.
MAX_WORDS = 20
_MAX_SIDE = 96  # Pixels that are shown; larger pictures lose rows and columns.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # Of PNG, by the number of channels.

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture, its caption and what the caption attends to.

    Attributes:
        example: Number of the picture, from 1.
        png: The picture as a data URI; "" of features.
        size: Its height and width in pixels; positions and numbers of features.
        grid: Rows and columns of the positions that attention weighs.
        stride: Pixels from one to the next.
        reference: The true caption.
        hypothesis: The network's.
        attention: Over positions, row by row, by each word; None without attention, and
            of captions that are empty or too long to show.
    """

    example: int
    png: str
    size: tuple[int, int]
    grid: tuple[int, int]
    stride: int
    reference: str
    hypothesis: str
    attention: AttentionMap | None


@torch.inference_mode()
def caption_examples(evaluation: TaskEvaluation) -> list[CaptionedPicture]:
    """Choose wrong captions, and some right ones, evenly; caption them once more."""
    task, network, examples = evaluation.task, evaluation.network, evaluation.examples
    assert isinstance(task, Captioning)
    assert isinstance(examples, CaptionedExamples)
    pairs = zip(evaluation.predictions, evaluation.references, strict=True)
    is_wrong = np.array([a != b for a, b in pairs])
    wrong, right = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    num_wrong = min(len(wrong), max(MAX_WRONG, NUM_PICTURES - len(right)))
    rows = [*_spread(wrong, num_wrong), *_spread(right, NUM_PICTURES - num_wrong)]
    batch = examples.batch(np.array(rows)).to(next(network.parameters()).device)
    lengths = torch.full_like(batch.targets[:, 0], MAX_CAPTION)
    hypotheses = greedy_hypotheses(network, batch, lengths, SearchOptions())
    pictures = []
    for row, hypothesis in zip(rows, hypotheses, strict=True):
        picture = np.asarray(examples.pictures[row])
        tokens = task.tokenizer.id_to_tokens(list(hypothesis.tokens))
        attention = None
        if hypothesis.attention is not None and tokens:
            weights = hypothesis.attention[: len(tokens)].float().numpy()
            positions = [f"{WORD}{i}" for i in range(1, weights.shape[1] + 1)]
            aligned = align(positions, mark_words(tokens)[:-1], weights)
            attention = AttentionMap(
                row + 1,
                list(aligned.source),
                list(aligned.target),
                [[round(float(w), 4) for w in line] for line in aligned.weights],
            )
        rows_columns, stride = _grid(task, picture)
        is_short = attention is not None and len(attention.target) <= MAX_WORDS
        pixels = picture.ndim == 3
        pictures.append(
            CaptionedPicture(
                row + 1,
                data_uri(_reduced(picture)) if pixels else "",
                (picture.shape[-2], picture.shape[-1]),
                rows_columns,
                stride,
                evaluation.references[row],
                evaluation.predictions[row],
                attention if is_short else None,
            )
        )
    return pictures


def _grid(task: Captioning, picture: NDArray[Any]) -> tuple[tuple[int, int], int]:
    """Return rows and columns of the encoder's positions, and pixels between them."""
    encoder = task.recipe.model.encoder
    if not isinstance(encoder, ConvolutionEncoder):
        return (1, len(picture)), 1
    height, width = picture.shape[1:]
    for stride in encoder.strides:
        height, width = -(-height // stride), -(-width // stride)
    return (height, width), math.prod(encoder.strides)


def _spread(rows: NDArray[Any], count: int) -> list[int]:
    count = min(count, len(rows))
    return [int(rows[index * len(rows) // count]) for index in range(count)]


def _reduced(pixels: Pixels) -> Pixels:
    step = -(-max(pixels.shape[1:]) // _MAX_SIDE)
    return pixels[:, ::step, ::step]


def data_uri(pixels: Pixels) -> str:
    """Return pixels, (C, H, W), as PNG in a data URI; of odd C the first channel.

    Source: Portable Network Graphics, W3C Recommendation 2003.
    """
    if len(pixels) not in _COLOUR_TYPES:
        pixels = pixels[:1]
    channels, height, width = pixels.shape
    colour = _COLOUR_TYPES[channels]
    rows = np.ascontiguousarray(pixels.transpose(1, 2, 0)).reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")):
        checksum = zlib.crc32(kind + content)
        png += struct.pack(">I", len(content)) + kind + content
        png += struct.pack(">I", checksum)
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
