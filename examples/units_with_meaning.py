"""Units of a language model that mean something: one that tells where in a line it is.

    python examples/units_with_meaning.py runs/lecture/phrasebook --output units.svg

No character says how far into its line it stands. The unit whose cell state best tells
the first 15 characters of a line from later ones is chosen on the validation lines and
measured on the test lines, beside the best unit of a network with random weights.
Karpathy et al. 2015, section 4.1, find such units by eye.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from seq2seq.evaluation.small_multiples import svg_document
from seq2seq.evaluation.svg import SERIES, open_figure
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks import open_data
from seq2seq.types import EOS, RNNState

LATE = 15
"""Characters of a line before those that are late."""


@torch.inference_mode()
def cell_states(network: Any, lines: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return the cell state of all units after each character of lines, (T, H)."""
    length = max(map(len, lines))
    padded = torch.tensor([[*line, *[EOS] * (length - len(line))] for line in lines])
    state: RNNState | None = None
    _, state = network.log_probs(torch.full((len(lines), 1), EOS), state)
    states = []
    for column in padded.split(1, dim=1):
        _, state = network.log_probs(column, state)
        assert state is not None
        states.append(state[-1][:, -1])  # The cell state of the top layer, (N, H).
    stacked = torch.stack(states, dim=1)
    return [row[: len(line)] for row, line in zip(stacked, lines, strict=True)]


def areas(values: Tensor, positive: Tensor) -> Tensor:
    """Return the area under the ROC curve of each column of values, (T, H)."""
    ranks = values.argsort(dim=0).argsort(dim=0).double() + 1
    count = int(positive.sum())
    above = ranks[positive].sum(dim=0) - count * (count + 1) / 2
    return above / (count * (len(values) - count))


def measure(network: Any, text: Any, lines: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the states after all characters of lines, and which of these are late."""
    states = torch.cat(cell_states(network, text.encode(lines)))
    late = torch.cat([torch.arange(len(line)) >= LATE for line in lines])
    return states, late


def draw(lines: Sequence[str], values: Sequence[Tensor], alt: str) -> str:
    """Draw lines of text, each character on a ground as dark as its value is high."""
    low = min(float(row.min()) for row in values)
    high = max(float(row.max()) for row in values)
    width = max(map(len, lines))
    size = (0.11 * width + 0.3, 0.27 * len(lines) + 0.2)
    with open_figure(alt, size=size) as (_, axes, svg):
        for y, (line, row) in enumerate(zip(lines, values, strict=True)):
            for x, (character, value) in enumerate(zip(line, row, strict=True)):
                share = 0.7 * (float(value) - low) / (high - low)
                axes.add_patch(
                    Rectangle(
                        (x, y + 0.06), 1, 0.88, color=SERIES[0], alpha=share, lw=0
                    )
                )
                axes.text(x + 0.5, y + 0.5, character, ha="center", va="center")
        axes.set_xlim(0, width)
        axes.set_ylim(len(lines), 0)
        axes.axis("off")
        return svg_document(svg())


def main(arguments: Sequence[str] | None = None) -> None:
    """Find the unit, print how well it tells, draw six lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    run = TaskRun.open(options.run)
    task: Any = run.task
    data: Any = open_data(run.recipe, task.vocabularies)
    valid, test = (list(data.lines_of(split)) for split in ("valid", "test"))
    trained: Any = run.network().eval()
    torch.manual_seed(1)
    for name, network in (("trained", trained), ("random", task.network().eval())):
        scores = areas(*measure(network, task.text, valid)) - 0.5
        unit = int(scores.abs().argmax())
        sign = 1 if scores[unit] > 0 else -1
        states, late = measure(network, task.text, test)
        print(f"{name}, unit: {unit}")
        print(f"{name}, area under the curve: {areas(sign * states, late)[unit]:.3f}")
        if name == "trained" and options.output is not None:
            chosen = test[:6]
            values = cell_states(network, task.text.encode(chosen))
            alt = f"Cell state of unit {unit} after each character of six lines"
            figure = draw(chosen, [sign * row[:, unit] for row in values], alt)
            options.output.write_text(figure, encoding="utf-8")


if __name__ == "__main__":
    main()
