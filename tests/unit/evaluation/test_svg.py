"""Axes fit the data."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from seq2seq.evaluation import svg
from seq2seq.evaluation.figures import training_figures
from seq2seq.evaluation.training_history import TrainingHistory


def ticks(figure: str) -> list[float]:
    """Return the labels of the vertical axis, which end where it begins."""
    labels = re.findall(r"<text[^>]*text-anchor: end[^>]*>([^<]*)</text>", figure)
    return sorted(float(label.replace("−", "-").replace(",", "")) for label in labels)


def intervals(*values: float) -> str:
    points = [svg.Point(i, v, v - 0.5, v + 0.5, 20) for i, v in enumerate(values)]
    names = [str(i) for i in range(len(values))]
    return svg.plot_intervals([points], names, xlabel="x", ylabel="y", alt="a")


def lines(*values: float, logarithmic: bool = False) -> str:
    line = (range(len(values)), values)
    return svg.plot_lines(
        [line], xlabel="x", ylabel="y", alt="a", logarithmic=logarithmic
    )


@pytest.mark.parametrize("plot", [intervals, lines])
def test_an_axis_spans_its_values(plot: object) -> None:
    high = ticks(plot(91.0, 95.0, 97.0))  # type: ignore[operator]
    assert len(high) >= 3
    assert 89 <= high[0] <= high[-1] <= 99
    low = ticks(plot(1.0, 5.0, 7.0))  # type: ignore[operator]
    assert low[0] == 0
    assert ticks(plot(3.0, 3.0))  # type: ignore[operator]


def test_bars_begin_at_0() -> None:
    figure = svg.plot_bars([[0.95, 0.97]], ["a", "b"], xlabel="", ylabel="", alt="")
    assert ticks(figure)[0] == 0


def test_a_logarithmic_axis_of_one_decade_has_ticks() -> None:
    assert len(ticks(lines(0.3, 1.0, 2.5, logarithmic=True))) >= 2


@pytest.mark.parametrize(("last", "logarithmic"), [(0.05, True), (2.0, False)])
def test_a_loss_that_falls_steeply_has_a_logarithmic_axis(
    last: float, logarithmic: bool
) -> None:
    losses = [(0.0, 6.0), (100.0, 1.0), (200.0, last)]
    history = TrainingHistory({"train_loss": losses}, [], [], {}, "", [], None)
    (figure,) = training_figures("run", history)
    steps = [above - below for below, above in pairwise(ticks(figure.svg))]
    assert (max(steps) > 1.5 * min(steps)) == logarithmic
