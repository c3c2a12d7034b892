"""Drawn memory tasks: what has to be remembered, and splits without common examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seq2seq.data.drawn import (
    BLANK,
    DELIMITER,
    NOISE,
    QUERY,
    SYMBOLS,
    adding_examples,
    copy_examples,
    recall_examples,
)

TASKS: list[tuple[Callable[..., Any], dict[str, int]]] = [
    (recall_examples, {"delay": 3}),  # 4,096 sequences: chance would repeat some.
    (adding_examples, {"length": 7}),
    (copy_examples, {"delay": 1}),
]


def test_recall_asks_for_the_first_symbol_behind_noise() -> None:
    sources, labels = recall_examples("train", 400, delay=5)
    tokens = np.stack(sources)
    assert tokens.shape == (400, 7)
    assert (tokens[:, 0] == labels).all()
    assert set(labels) == set(range(SYMBOLS))
    assert set(tokens[:, 1:-1].flat) == set(NOISE)
    assert set(tokens[:, -1]) == {QUERY}
    # Neither the number of a noise token nor its kind says anything of the label.
    by_label = [tokens[labels == label, 1:-1].mean() for label in range(SYMBOLS)]
    assert max(by_label) - min(by_label) < 1


def test_adding_sums_a_marked_value_of_either_half() -> None:
    sources, targets = adding_examples("train", 3000, length=7)
    frames = np.stack(sources)
    assert frames.shape == (3000, 7, 2)
    values, markers = frames[..., 0], frames[..., 1]
    assert (markers[:, :3].sum(axis=1) == 1).all()
    assert (markers[:, 3:].sum(axis=1) == 1).all()
    np.testing.assert_allclose((values * markers).sum(axis=1), targets)
    # The answer 1 to everything is as far off as the docstring says.
    assert np.sqrt(np.mean((targets - 1) ** 2)) == pytest.approx(0.408, abs=0.012)


def test_copy_asks_for_the_first_ten_symbols_behind_blanks() -> None:
    sources, labels = copy_examples("train", 50, delay=4)
    tokens, answers = np.stack(sources), np.stack(labels)
    assert tokens.shape == answers.shape == (50, 24)
    assert set(tokens[:, :10].flat) == set(range(SYMBOLS))
    assert (tokens[:, 10:] == [BLANK] * 3 + [DELIMITER] + [BLANK] * 10).all()
    assert (answers[:, :14] == BLANK).all()
    assert (answers[:, 14:] == tokens[:, :10]).all()


@pytest.mark.parametrize(("draw", "options"), TASKS)
def test_examples_depend_on_the_seed_alone(draw: Any, options: dict[str, int]) -> None:
    one, same, other = (
        draw("valid", 20, seed=seed, **options).sources for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    longer = draw("valid", 30, seed=1, **options).sources
    assert np.array_equal(longer[:20], one)


@pytest.mark.parametrize(("draw", "options"), TASKS)
def test_no_example_is_in_two_splits(draw: Any, options: dict[str, int]) -> None:
    splits = [
        {source.tobytes() for source in draw(split, 300, **options).sources}
        for split in ("train", "valid", "test")
    ]
    assert len(set.union(*splits)) == sum(map(len, splits))
    # Nor if each has a seed of its own.
    other = draw("train", 300, seed=7, **options).sources
    assert splits[2].isdisjoint(source.tobytes() for source in other)
