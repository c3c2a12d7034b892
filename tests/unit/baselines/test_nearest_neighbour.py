"""The nearest training example by mean squared distance."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from seq2seq.baselines.nearest_neighbour import nearest_neighbours
from seq2seq.metrics.classification import accuracy
from seq2seq.metrics.sacrebleu_scores import score_segments


def test_the_distance_is_squared_and_pixels_do_not_overflow() -> None:
    # To (0, 0): (0, 200) has the distance 40,000, (150, 150) 45,000, (16, 255) 65,281,
    # but in 8 bits 16^2 is 0 and 255^2 is 1.
    train = np.array([[16, 255], [150, 150], [0, 200]], dtype=np.uint8)
    examples = np.array([[0, 0], [20, 250], [160, 160]], dtype=np.uint8)
    assert nearest_neighbours(train, examples).tolist() == [2, 0, 1]


def test_blocks_of_examples_change_nothing_and_the_first_of_equals_is_taken() -> None:
    random = np.random.default_rng(7)
    train = random.integers(256, size=(40, 3, 2, 2), dtype=np.uint8)
    train = np.concatenate([train, train])
    examples = random.integers(256, size=(600, 3, 2, 2), dtype=np.uint8)
    difference = examples[:, None].astype(int) - train.astype(int)
    expected = (difference**2).sum(axis=(2, 3, 4)).argmin(axis=1)
    assert (nearest_neighbours(train, examples) == expected).all()


def test_shapes_must_be_the_same() -> None:
    with pytest.raises(ValueError, match=r"have the shape \(3, 8\).* have \(3, 9\)"):
        nearest_neighbours(np.zeros((5, 3, 8)), np.zeros((2, 3, 9)))


@pytest.mark.realdata
def test_the_nearest_emojis_name_is_close_but_never_right(real_data: Path) -> None:
    folder = real_data / "lecture" / "emoji"
    pictures = [np.load(folder / f"{split}.npy") for split in ("train", "test")]
    captions, references = (
        gzip.decompress((folder / f"{split}.en.gz").read_bytes()).decode().split("\n")
        for split in ("train", "test")
    )
    hypotheses = [captions[i] for i in nearest_neighbours(pictures[0], pictures[1])]
    assert accuracy(hypotheses, references[:-1]).score == 0
    scores = score_segments(hypotheses, [references[:-1]], language="en")
    assert scores.bleu.score.score == pytest.approx(44.90, abs=0.01)
