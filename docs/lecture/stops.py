"""The stops of the tour in order: code, commands, figures with tolerances, plots.

`docs/make_lecture.py` says how they become pages.
"""

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


def number(label: str) -> Callable[[Outputs], float]:
    """Read a number that an example printed."""
    return lambda outputs: outputs.number(label)


BY_HAND = "python examples/recurrence_by_hand.py"

STOPS = [
    Stop(
        "one-to-one",
        Code(
            "seq2seq/tasks/tagging.py",
            "Tagger.features",
            first="if self.recurrent",
            lines=8,
        ),
        (
            "seq2seq train lecture/nback -o model.recurrent=false "
            "--output runs/nback-alone",
            "seq2seq evaluate runs/nback-alone --json",
        ),
        {
            "accuracy": Figure(score("accuracy"), "{:.1f}", absolute=2.0),
            "baseline": Figure(
                score("accuracy", baseline="most frequent"), "{:.1f}", absolute=0.01
            ),
        },
    ),
    Stop(
        "cell",
        Code("seq2seq/nn/rnn_layer_norm.py", "_RNNDirection._step", lines=5),
        (f"{BY_HAND} cell",),
        {
            "difference": Figure(number("largest difference"), "{:.1e}", absolute=1e-6),
            "tanh": Figure(number("largest state, tanh"), "{:.2f}", absolute=0.01),
            "linear": Figure(number("largest state, no tanh"), "{:.0e}", relative=9.0),
        },
    ),
    Stop(
        "shared-weights",
        Code(
            "seq2seq/nn/rnn_layer_norm.py",
            "_RNNDirection.forward",
            first="for position in",
            lines=2,
        ),
        (f"{BY_HAND} shared-weights",),
        {
            "parameters": Figure(number("parameters"), "{:,.0f}"),
            "unshared": Figure(number("parameters without sharing"), "{:,.0f}"),
            "difference": Figure(number("largest difference"), "{:.1e}", absolute=1e-5),
        },
    ),
    Stop(
        "hello",
        Code(
            "seq2seq/tasks/language_model.py",
            "LanguageModel.loss",
            first="features, state =",
            lines=8,
        ),
        (
            "seq2seq train lecture/hello",
            "seq2seq sample runs/lecture/hello --prompt h --greedy",
            "seq2seq evaluate runs/lecture/hello --json",
        ),
        {
            "loss": Figure(score("nats_per_token"), "{:.4f}", absolute=0.005),
            "written": Figure(lambda outputs: outputs.texts[1].rstrip("\n")),
            "bigram": Figure(
                lambda outputs: plots.best_bigram_loss("hello\n"), "{:.3f}"
            ),
            "counting": Figure(
                score("nats_per_token", baseline="Witten-Bell"),
                "{:.4f}",
                absolute=1e-4,
            ),
        },
        plot=lambda outputs: plots.hello(outputs.folder / "runs/lecture/hello"),
    ),
]
