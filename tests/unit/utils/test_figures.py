"""Figures: the same bytes every time, by one writer."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from seq2seq.errors import UserError
from seq2seq.utils.figures import (
    SUFFIXES,
    check_figure_suffix,
    figure_bytes,
    save_figure,
)


def figure(label: str = "a") -> Figure:
    plot = Figure(figsize=(2, 2))
    axes = plot.add_subplot()
    axes.plot([0, 1], [1, 2], marker="o")
    axes.set_xlabel(label)
    return plot


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_numbers_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in ("one", "other")]
    for path in paths:
        save_figure(figure(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("salt", ["", "none", "NONE", "alt text"])
def test_identifiers_depend_on_the_salt_alone(salt: str) -> None:
    first = figure_bytes(figure(), "svg", salt=salt)
    assert figure_bytes(figure(), "svg", salt=salt) == first
    assert figure_bytes(figure(), "svg", salt=f"{salt} of another figure") != first


def test_another_suffix_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "plot.jpg"
    with pytest.raises(UserError, match=r"plot.jpg: a figure's name must end in .svg"):
        check_figure_suffix(path)
    with pytest.raises(UserError, match="must end in"):
        save_figure(figure(), path)
    assert not path.exists()


def test_a_character_that_the_font_lacks_does_not_warn(tmp_path: Path) -> None:
    save_figure(figure("漢字"), tmp_path / "plot.png")
