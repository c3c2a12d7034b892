"""Drawn pictures of shapes, with captions such as: two red circles at the top left."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (230, 200, 40),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle", "cross")
NUMBERS = {"one": 1, "two": 2, "three": 3}
CORNERS = {
    "top left": (0, 0),
    "top right": (0, 16),
    "bottom left": (16, 0),
    "bottom right": (16, 16),
}
SIDE = 32
_SIZE = 5
_PER_COMBINATION = {"train": 12, "valid": 4, "test": 8}


def shape_pictures(split: str, *, seed: int = 1) -> tuple[NDArray[np.uint8], list[str]]:
    """Draw pictures of a split's combinations of number, colour, shape and place.

    Of 240 combinations every sixth is in test and every other sixth in valid: none is
    in two splits, and every word of theirs is in train.

    Args:
        split: train, valid or test.
        seed: Seed of where in its quarter each shape lies.

    Returns:
        Pixels, (N, 3, 32, 32), and a caption for each.
    """
    part = ("test", "valid").index(split) * 3 if split != "train" else -1
    generator = np.random.default_rng([seed, part + 1])
    pictures, captions = [], []
    for parts in product(NUMBERS, COLOURS, SHAPES, CORNERS):
        names = (list(NUMBERS), list(COLOURS), list(SHAPES), list(CORNERS))
        indices = [values.index(v) for values, v in zip(names, parts, strict=True)]
        group = (indices[0] + 2 * indices[1] + 3 * indices[2] + 5 * indices[3]) % 6
        if (group == part) if part >= 0 else (group not in (0, 3)):
            number, colour, shape, corner = parts
            ending = "" if number == "one" else "s"
            if shape == "cross" and ending:
                ending = "es"
            for _ in range(_PER_COMBINATION[split]):
                pictures.append(_draw(generator, *parts))
                captions.append(f"{number} {colour} {shape}{ending} at the {corner}")
    return np.stack(pictures), captions


def _draw(
    generator: np.random.Generator, number: str, colour: str, shape: str, corner: str
) -> NDArray[np.uint8]:
    picture = np.full((3, SIDE, SIDE), 255, dtype=np.uint8)
    top, left = CORNERS[corner]
    cells = [(row, column) for row in (0, 8) for column in (0, 8)]
    for cell in generator.permutation(4)[: NUMBERS[number]]:
        row = top + cells[cell][0] + int(generator.integers(0, 8 - _SIZE + 1))
        column = left + cells[cell][1] + int(generator.integers(0, 8 - _SIZE + 1))
        window = picture[:, row : row + _SIZE, column : column + _SIZE]
        window[:, _mask(shape)] = np.array(COLOURS[colour], dtype=np.uint8)[:, None]
    return picture


def _mask(shape: str) -> NDArray[np.bool_]:
    """Return the pixels of a shape, (5, 5)."""
    row, column = np.mgrid[-2:3, -2:3]
    masks = {
        "circle": row**2 + column**2 <= 5,
        "square": np.ones((5, 5), dtype=bool),
        "triangle": 2 * abs(column) <= row + 2,
        "cross": (row == 0) | (column == 0),
    }
    return np.asarray(masks[shape], dtype=bool)
