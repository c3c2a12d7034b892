"""What a language model writes, and the lines that surprise it most and least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq2seq.evaluation.evaluate_language_model import LanguageModelSystem
from seq2seq.tasks.language_model import LanguageModel, LanguageModelNetwork, generate

TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
SAMPLE_LENGTH = 300  # Tokens.
NUM_LINES = 6
MIN_CHARACTERS = 20  # Of a line that is shown, where there are enough.


@dataclass(frozen=True)
class TextSample:
    """A text that the network wrote from the start of a line, with seed 1."""

    temperature: float
    text: str


@dataclass(frozen=True)
class ScoredLine:
    """A line and what it costs.

    Attributes:
        line: Its number in the split, from 1.
        text: The line.
        bits_per_character: By system, the line's end included.
    """

    line: int
    text: str
    bits_per_character: dict[str, float]


@dataclass(frozen=True)
class TextAnalysis:
    """Samples, and lines from the most to the least surprising one."""

    samples: list[TextSample]
    most_surprising: list[ScoredLine]
    least_surprising: list[ScoredLine]


def analyse_text(
    task: LanguageModel,
    network: LanguageModelNetwork,
    systems: Sequence[LanguageModelSystem],
    lines: Sequence[str],
) -> TextAnalysis:
    """Let a language model write, and choose lines by what they cost it.

    Args:
        task: The run's task.
        network: Its network on the CPU, in evaluation mode.
        systems: Scores of the network and of baselines on the lines.
        lines: The split's lines.
    """
    samples = []
    for temperature in TEMPERATURES:
        tokens = generate(
            network, (), temperature=temperature, max_length=SAMPLE_LENGTH
        )
        samples.append(TextSample(temperature, task.text.decode(tokens)))
    costs = {}
    for system in systems:
        nats, _, characters = system.scores.nats_per_character.statistics.T
        costs[system.name] = nats / math.log(2) / characters
    rows = [row for row, line in enumerate(lines) if len(line) >= MIN_CHARACTERS]
    if len(rows) < 2 * NUM_LINES:
        rows = [row for row, line in enumerate(lines) if line.strip()]
    first = costs[systems[0].name]
    order = sorted(rows, key=lambda row: (-first[row], row))
    half = min(NUM_LINES, len(order) // 2)
    scored = [
        ScoredLine(
            row + 1,
            lines[row],
            {name: float(np.round(cost[row], 4)) for name, cost in costs.items()},
        )
        for row in [*order[:half], *order[len(order) - half :]]
    ]
    return TextAnalysis(samples, scored[:half], scored[half:])
