"""Runs as a table: what differs between their recipes, their scores, state and time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seq2seq.errors import UserError
from seq2seq.evaluation.training_history import Series, flatten, read_series
from seq2seq.recipe.dump import flow_yaml
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.similar_paths import missing_error

FINISHED = "finished"
RUNNING = "running"
_BEGUN = ("versions.json", "metrics.csv", "train.log")
"""Files that a training writes; a folder with a recipe alone is none."""


@dataclass(frozen=True)
class RunRow:
    """A run in the table.

    Attributes:
        path: The run folder.
        state: finished, running, "killed at step N", "failed: ..." or "pruned: ...".
        settings: The recipe's values by their full names; empty if it is unreadable.
        metric: The metric that chose the best checkpoint, such as bleu.
        valid: Its best value on the validation split; None before any.
        test: BLEU on the test split, or the metric of another task; None if it was not
            scored.
        step: Optimizer steps done.
        seconds: Time that training took; None if unknown.
    """

    path: Path
    state: str
    settings: dict[str, Any]
    metric: str
    valid: float | None
    test: float | None
    step: int
    seconds: float | None

    def to_json(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return plain values, of the settings those of some keys."""
        content = vars(self) | {"path": str(self.path)}
        return content | {"settings": {k: self.settings.get(k) for k in keys}}


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Find the run folders at or below some folders, in the order of their names.

    Raises:
        UserError: If a folder is missing, or there is no run.
    """
    runs: dict[Path, None] = {}
    for folder in folders:
        if folder.is_file():
            raise UserError(f"{folder} is a file. Name a run folder, or one of runs.")
        if not folder.is_dir():
            raise missing_error(folder, "Name a run folder, or a folder of runs.")
        runs |= dict.fromkeys(_runs_below(folder))
    if not runs:
        names = " ".join(map(str, folders))
        raise UserError(
            f"{names}: there is no run folder here. `seq2seq train quickstart` makes "
            "one in runs/."
        )
    return list(runs)


def _runs_below(folder: Path) -> Iterator[Path]:
    for root, names, files in os.walk(folder):
        if "recipe.yaml" in files and any(name in files for name in _BEGUN):
            names.clear()
            yield Path(root)
        names.sort()


def read_run(path: Path) -> RunRow:
    """Read the row of a run; what is damaged or missing stays empty."""
    run = RunFolder(path)
    try:
        recipe = run.read_recipe()
        series = read_series(run.metrics)
        summary = read_object(run.summary)
    except UserError as error:
        given_up = read_object(run.outcome).get("reason")  # Before a recipe was kept.
        line = str(given_up or error).splitlines()[0]
        state = "failed" if given_up else "unreadable"
        return RunRow(path, f"{state}: {line}", {}, "", None, None, 0, None)
    metric = recipe.train.monitor
    step, seconds = _progress(summary, series)
    settings = flatten(recipe.model_dump(mode="json", exclude={"description", "tune"}))
    scores = read_object(run.evaluation("test") / "scores.json")
    test = scores.get("bleu" if recipe.task == "translation" else metric)
    return RunRow(
        path,
        _state(run, step),
        settings,
        metric,
        best_value(series.get(f"valid_{metric}", []), metric),
        float(test["score"]) if isinstance(test, dict) else None,
        step,
        seconds,
    )


def best_value(series: Series, metric: str) -> float | None:
    """Return the best value of a metric over validations; None without any."""
    values = [value for _, value in series]
    return (min if metric in LOWER_IS_BETTER else max)(values, default=None)


def _progress(
    summary: dict[str, Any], series: dict[str, Series]
) -> tuple[int, float | None]:
    """Return steps done and seconds taken."""
    step, seconds = series.get("seconds", [(0, 0.0)])[-1]
    if not series:
        return int(summary.get("steps", 0)), summary.get("seconds")
    return int(summary.get("steps", step)), float(summary.get("seconds", seconds))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one where the file is missing.

    Raises:
        UserError: If it is damaged.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}. Remove it.") from error
    return content if isinstance(content, dict) else {}


def _state(run: RunFolder, step: int) -> str:
    if run.summary.is_file():
        return FINISHED
    if run.outcome.is_file():
        content = read_object(run.outcome)
        return f"{content.get('state')}: {content.get('reason')}"
    return RUNNING if is_locked(run.path / ".lock") else f"killed at step {step:,}"


def is_locked(path: Path) -> bool:
    """Return whether another process holds a lock; the system frees those of the dead.

    The lock is held for an instant, which who takes it for work waits out.
    """
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # A folder that cannot be written holds no training.
        return False


def differing_keys(rows: Sequence[RunRow]) -> list[str]:
    """Return the keys whose values differ between runs, those with most values first.

    A key that a recipe lacks counts as a value. Runs whose recipe is unreadable do not
    count.
    """
    readable = [row.settings for row in rows if row.settings]
    keys = dict.fromkeys(key for settings in readable for key in settings)
    variety = {
        key: len({format_setting(settings.get(key)) for settings in readable})
        for key in keys
    }
    return sorted((key for key in keys if variety[key] > 1), key=lambda k: -variety[k])


def format_setting(value: object) -> str:
    """Write a value of a recipe in a cell; empty if the recipe lacks the key."""
    return "" if value is None else flow_yaml(value)


def short_names(keys: Sequence[str]) -> list[str]:
    """Shorten keys to their last parts, as far as they stay distinct."""
    last = [key.rpartition(".")[2] for key in keys]
    return [
        short if last.count(short) == 1 else key
        for key, short in zip(keys, last, strict=True)
    ]
