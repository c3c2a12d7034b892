"""Padding and shifting as exact examples."""

import numpy as np
import torch

from seq2seq.data.collate import collate
from seq2seq.types import BOS, EOS, PAD


def test_collate_pads_and_shifts() -> None:
    batch = collate([[4, 5, 6], [7]], [[8], [9, 10]])
    assert batch.source.tolist() == [[4, 5, 6, EOS], [7, EOS, PAD, PAD]]
    assert batch.source_lengths.tolist() == [4, 2]
    assert batch.inputs.tolist() == [[BOS, 8, PAD], [BOS, 9, 10]]
    assert batch.targets.tolist() == [[8, EOS, PAD], [9, 10, EOS]]
    assert batch.indices.tolist() == [0, 1]
    assert batch.num_tokens == 5
    assert {part.dtype for part in batch[:5]} == {torch.int64}


def test_collate_takes_blank_sentences_and_narrow_ids() -> None:
    batch = collate(
        [np.array([], dtype=np.uint16)],
        [np.array([65_535], dtype=np.uint16)],
        indices=np.array([7]),
        num_tokens=99,
    )
    assert batch.source.tolist() == [[EOS]]
    assert batch.targets.tolist() == [[65_535, EOS]]
    assert batch.indices.tolist() == [7]
    assert batch.num_tokens == 99
