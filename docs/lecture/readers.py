"""What a stop of the tour is, and how its figures are read from what commands left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import plots


class Code(NamedTuple):
    """Lines of the package.

    Attributes:
        path: The file.
        symbol: A function, or Class.method.
        first: What its first line begins with; empty: the first after the docstring.
        lines: Number of lines.
    """

    path: str
    symbol: str
    first: str = ""
    lines: int = 15


class Outputs(NamedTuple):
    """What a stop's commands left.

    Attributes:
        folder: Where they ran.
        texts: Standard output of each.
    """

    folder: Path
    texts: list[str]

    def json(self, command: int = -1) -> Any:
        """Return the JSON that a command printed."""
        return json.loads(self.texts[command])

    def number(self, label: str) -> float:
        """Return the number behind a label at the beginning of a line."""
        match = re.search(rf"^{re.escape(label)}: *(\S+)", "\n".join(self.texts), re.M)
        assert match is not None, label
        return float(match[1].replace(",", ""))


class Figure(NamedTuple):
    """A measured number.

    Attributes:
        read: Where it stands.
        text: How it is written.
        absolute: How far it may move.
        relative: How far it may move, as a share of it; the two add up.
    """

    read: Callable[[Outputs], float | str]
    text: str = "{:.2f}"
    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class Stop:
    """A stop.

    Attributes:
        name: Its name in markers and files.
        code: The place in the code.
        commands: What a reader pastes.
        figures: Measured numbers, by name; text where they are text.
        plot: Makes an SVG file of the outputs.
        data: Folder of real data that the commands need.
    """

    name: str
    code: Code
    commands: tuple[str, ...]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    plot: Callable[[Outputs], str] | None = None
    data: str | None = None


def score(
    name: str, *, command: int = -1, baseline: str | None = None
) -> Callable[[Outputs], float]:
    """Read a score of `seq2seq evaluate --json`."""

    def read(outputs: Outputs) -> float:
        scores = outputs.json(command)
        if baseline is not None:
            scores = scores["baselines"]
            if isinstance(scores, list):
                scores = {system["name"]: system for system in scores}
            names = [key for key in scores if baseline in key]
            scores = scores[names[0]]
        return float(scores[name]["score"])

    return read


def summary(run: str, name: str) -> Callable[[Outputs], float]:
    """Read a number of a run's summary.json."""

    def read(outputs: Outputs) -> float:
        text = (outputs.folder / run / "summary.json").read_text(encoding="utf-8")
        return float(json.loads(text)[name])

    return read


def norm(name: str, scale: float, back: int = 200) -> Figure:
    """Read a norm of `seq2seq diagnose gradients --json`, the stop's first command."""
    return Figure(
        lambda outputs: plots.norm(outputs.json(0), name, scale, back),
        "{:.2g}",
        relative=0.5,
    )


def flow_plot(names: tuple[str, ...], ylabel: str) -> Callable[[Outputs], str]:
    """Draw norms of `seq2seq diagnose gradients --json`, the stop's first command."""
    alt = "Norms of gradients by the number of steps that they flow back"
    return lambda outputs: plots.gradients(outputs.json(0), names, ylabel, alt)


def number(label: str) -> Callable[[Outputs], float]:
    """Read a number that an example printed."""
    return lambda outputs: outputs.number(label)


TEMPERATURES = (0.3, 0.7, 1, 1.5)


def file(name: str) -> Callable[[Outputs], str]:
    """Read a file that a command wrote."""
    return lambda outputs: (outputs.folder / name).read_text(encoding="utf-8")


def distinct(number: int) -> Callable[[Outputs], float]:
    """Count the distinct lines of samples at a temperature, by its number."""
    return lambda outputs: len(set(outputs.texts[2 + number].splitlines()))


def known(number: int) -> Callable[[Outputs], float]:
    """Return the percentage of words of such samples that training has."""
    return lambda outputs: plots.known_words(outputs.texts[2 + number].splitlines())


def samples(outputs: Outputs) -> str:
    """Return three samples at each temperature."""
    parts = []
    for number, temperature in enumerate(TEMPERATURES):
        lines = outputs.texts[2 + number].splitlines()[:3]
        parts += [f"temperature {temperature}", *(f"    {line}" for line in lines)]
    return "\n".join(parts)
