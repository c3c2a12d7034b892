"""Sweeps: every combination of some values of a recipe's keys, with several seeds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.tuning.jobs import Job
from seq2seq.tuning.run_table import FINISHED, RunRow, read_run, short_names

MAX_RUNS = 50
"""Larger grids need --yes."""
_OPEN, _CLOSE = "[{", "]}"


class Point(NamedTuple):
    """A combination of values, and its trainings, one for each seed."""

    values: tuple[str, ...]
    jobs: list[Job]


class PointResult(NamedTuple):
    """What the seeds of a combination came to.

    Attributes:
        values: Those of the keys that vary.
        scores: The best validation value of each finished run.
        failures: Names of runs that failed, with their states.
    """

    values: tuple[str, ...]
    scores: list[float]
    failures: list[str]

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None if none finished."""
        return mean(self.scores) if self.scores else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds; None of fewer than two."""
        return stdev(self.scores) if len(self.scores) > 1 else None


def split_values(text: str) -> list[str]:
    """Split at commas that are outside brackets, braces and quotes.

    `1,2` are two values, `[a, b]` is one, and `[a],[b]` are two lists.

    Raises:
        UserError: If a value is empty.
    """
    values, depth, quote = [""], 0, ""
    for char in text:
        if char == "," and not depth and not quote:
            values.append("")
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and (depth or not values[-1].strip()):
            quote = char
        depth += (char in _OPEN) - (char in _CLOSE) if not quote else 0
        values[-1] += char
    stripped = [value.strip() for value in values]
    if len(stripped) > 1 and not all(stripped):
        raise UserError(f"{text!r} has an empty value between its commas.")
    return stripped


def make_grid(
    recipe: str, overrides: Sequence[str], seeds: Sequence[int], folder: Path
) -> tuple[list[str], list[Point]]:
    """Combine all values of all overrides with all seeds.

    Args:
        recipe: The recipe's name or file.
        overrides: `key=value,value` each; of two for one key the last wins.
        seeds: Values of the recipe's `seed`; its own if there are none.
        folder: Where the run folders go.

    Returns:
        The keys that have several values, and a point for each combination.

    Raises:
        UserError: If nothing varies, or a combination is no valid recipe.
    """
    choices: dict[str, list[str]] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"-o {override}: not of the form key=value or key=a,b.")
        choices[key.strip()] = split_values(text)
    if seeds and "seed" in choices:
        raise UserError("-o seed=... and --seeds contradict each other; give --seeds.")
    varied = [key for key, values in choices.items() if len(values) > 1]
    if not varied and len(seeds) < 2:
        raise UserError(
            "nothing varies: give several values of a key, as in "
            "-o model.dropout=0.2,0.4, or several --seeds."
        )
    points, faults = [], []
    for values in product(*choices.values()):
        setting = dict(zip(choices, values, strict=True))
        jobs = []
        for seed in list[int | None](seeds) or [None]:
            texts = [f"{key}={value}" for key, value in setting.items()]
            texts += [] if seed is None else [f"seed={seed}"]
            try:
                resolved = read_recipe(recipe, texts)
            except RecipeError as error:
                faults += str(error).split("\n")
                continue
            name = _run_name({key: setting[key] for key in varied}, seed)
            jobs.append(Job(name, folder / name, resolved))
        points.append(Point(tuple(setting[key] for key in varied), jobs))
    if faults:
        raise RecipeError("\n".join(dict.fromkeys(faults)))
    names = [job.name for point in points for job in point.jobs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"two runs of the grid would be the same: {twice}.")
    return varied, points


def _run_name(values: dict[str, str], seed: int | None) -> str:
    """Name a run folder after the values that vary."""
    pairs = dict(zip(short_names(list(values)), values.values(), strict=True))
    pairs |= {} if seed is None else {"seed": str(seed)}
    text = "_".join(f"{key}={value}" for key, value in pairs.items())
    name = re.sub(r"[^\w.=+-]+", "-", text).strip("-.")
    if name == text and len(name) <= 100:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[:80]}-{digest}"


def point_results(points: Sequence[Point]) -> list[PointResult]:
    """Read what every point came to, the best mean first, unfinished ones last."""
    results = []
    metric = points[0].jobs[0].recipe.train.monitor
    for point in points:
        rows = [read_run(job.folder) for job in point.jobs]
        scores = [row.valid for row in rows if _counts(row) and row.valid is not None]
        failures = [f"{row.path}: {row.state}" for row in rows if not _counts(row)]
        results.append(PointResult(point.values, scores, failures))
    sign = 1 if metric in LOWER_IS_BETTER else -1

    def order(result: PointResult) -> tuple[bool, float]:
        return result.mean is None, sign * (result.mean or 0.0)

    return sorted(results, key=order)


def _counts(row: RunRow) -> bool:
    return row.state == FINISHED
