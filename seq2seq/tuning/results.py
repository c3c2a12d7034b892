"""The result of a search: its table, the winner, the test split once, confirmation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.runs.run_folder import RunFolder, write_json
from seq2seq.tuning.jobs import Job
from seq2seq.tuning.run_table import read_object, read_run
from seq2seq.tuning.search_space import trial_recipe
from seq2seq.tuning.study import importances
from seq2seq.tuning.trials import Search
from seq2seq.utils.files import atomic_file, write_lines

T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5% quantiles of Student's t for 1 to 9 degrees of freedom."""
MAX_CONFIRM = len(T_QUANTILES) + 1


@dataclass(frozen=True)
class TrialRow:
    """A trial in the result table.

    Attributes:
        number: From 0.
        state: finished, pruned, failed or running.
        value: The metric at the best checkpoint; None unless it finished.
        step: Optimizer steps done.
        seconds: Time of its training.
        values: What the keys had, as text.
        reason: Why it was pruned or failed.
    """

    number: int
    state: str
    value: float | None
    step: int
    seconds: float
    values: dict[str, str]
    reason: str


@dataclass(frozen=True)
class Confirmation:
    """The winner and the recipe as it was, trained with new seeds.

    Attributes:
        trial: Number of the winner.
        seeds: The seeds.
        winner: The winner's values, one for each seed.
        base: The recipe's values.
        difference: Mean of the winner minus mean of the recipe.
        interval: Its 95% confidence interval by Welch's t, with the degrees of freedom
            of one side, which is the cautious choice.
        confirmed: Whether the whole interval is on the winner's side.
    """

    trial: int
    seeds: list[int]
    winner: list[float]
    base: list[float]
    difference: float
    interval: tuple[float, float]
    confirmed: bool


@dataclass(frozen=True)
class SearchResult:
    """A whole result.

    Attributes:
        format: Rises when the meaning of a field changes.
        date: The only difference between two results of the same search.
        name: Name of the folder.
        metric: The metric that decided.
        minimize: Whether less is better.
        keys: The keys that varied.
        logarithmic: Those that varied on a logarithmic scale.
        trials: All trials.
        winner: Number of the best trial; None if none finished.
        base: Number of the trial that is the recipe as it was; None if it was not
            tried.
        importances: Share of each key in what makes a trial good; empty if unknown.
        test: The stored scores of the test split; None if there are none.
        confirmation: None if there was no re-run.
    """

    format: int
    date: str
    name: str
    metric: str
    minimize: bool
    keys: list[str]
    logarithmic: list[str]
    trials: list[TrialRow]
    winner: int | None
    base: int | None
    importances: dict[str, float]
    test: dict[str, Any] | None
    confirmation: Confirmation | None

    def format_value(self, value: float, sign: str = "") -> str:
        """Write a value to the digits that its metric needs; with a sign if it is +."""
        return f"{value:{sign}.{2 if self.metric == 'valid_bleu' else 4}f}"

    @property
    def verdict(self) -> str:
        """What new seeds say of the winner, in a sentence."""
        if self.winner is None:
            return "No trial finished."
        if self.winner == self.base:
            return "No trial was better than the recipe as it was."
        again = self.confirmation
        if again is None:
            return (
                "Not confirmed: the winner was not trained with new seeds yet. The "
                "best of many trials is partly luck; --confirm 3 tests it."
            )
        low, high = again.interval
        return (
            f"{'Confirmed' if again.confirmed else 'Not confirmed'}: with "
            f"{len(again.seeds)} new seeds the winner has "
            f"{self.format_value(mean(again.winner))}, the recipe as it was "
            f"{self.format_value(mean(again.base))}; difference "
            f"{self.format_value(again.difference, '+')} (95% interval "
            f"{self.format_value(low, '+')} to {self.format_value(high, '+')})."
        )


def trial_rows(search: Search) -> list[TrialRow]:
    """Read the trials and their run folders."""
    rows = []
    for trial in search.trials():
        if trial.state.name == "WAITING":
            continue
        folder = search.trial_folder(trial.number)
        row, outcome = read_run(folder), read_object(RunFolder(folder).outcome)
        state = {"COMPLETE": "finished", "FAIL": "failed"}.get(trial.state.name)
        rows.append(
            TrialRow(
                trial.number,
                state or trial.state.name.lower(),
                trial.value if state == "finished" else None,
                row.step,
                row.seconds or 0.0,
                {
                    parameter.key: parameter.format(trial.params[parameter.key])
                    for parameter in search.parameters
                    if parameter.key in trial.params
                },
                str(outcome.get("reason", "")),
            )
        )
    return rows


def winner_of(rows: Sequence[TrialRow], *, minimize: bool) -> TrialRow | None:
    """Return the best finished trial, of equal ones the first."""
    finished = [row for row in rows if row.value is not None]
    sign = 1 if minimize else -1
    return min(finished, key=lambda row: sign * (row.value or 0.0), default=None)


def base_number(search: Search, rows: Sequence[TrialRow]) -> int | None:
    """Return the number of the trial that is the recipe as it was."""
    base = {
        p.key: None if p.base is None else p.format(p.base) for p in search.parameters
    }
    return next((row.number for row in rows if row.values == base), None)


def write_best(search: Search, winner: TrialRow) -> Path:
    """Write the winner's whole recipe."""
    recipe = trial_recipe(search.recipe, winner.values)
    path = search.folder / "best.yaml"
    note = f"# Trial {winner.number} of {search.folder.name}: {search.metric} "
    with atomic_file(path) as file:
        file.write(f"{note}{winner.value:.4f}\n{recipe_yaml(recipe)}".encode())
    return path


def write_table(rows: Sequence[TrialRow], keys: Sequence[str], path: Path) -> None:
    """Write the trials as tab-separated values."""
    heads = ["trial", "state", "value", "steps", "seconds", *keys, "reason"]
    lines = ["\t".join(heads)]
    for row in rows:
        value = "" if row.value is None else f"{row.value:.6g}"
        cells = [str(row.number), row.state, value, str(row.step), f"{row.seconds:.0f}"]
        cells += [row.values.get(key, "") for key in keys]
        lines.append("\t".join([*cells, " ".join(row.reason.split())]))
    write_lines(path, lines)


def score_test_once(search: Search, winner: TrialRow, *, device: str) -> dict[str, Any]:
    """Score the winner on the test split, unless this search has done so before.

    Args:
        search: The search; its lock is held.
        winner: The best trial now.
        device: Where to compute.

    Returns:
        What is stored: the trial that was scored and its scores, or why there are none.
    """
    path = search.folder / "test.json"
    if stored := read_object(path):
        return stored
    content: dict[str, Any] = {"trial": winner.number}
    try:
        content["scores"] = _score(search.trial_folder(winner.number), search, device)
    except UserError as error:
        content["missing"] = " ".join(str(error).split())
    write_json(path, content)
    return content


def _score(folder: Path, search: Search, device: str) -> dict[str, Any]:
    """Score a run on its test split with the command's own functions."""
    task = search.recipe.task
    if task == "translation":
        from seq2seq.evaluation.evaluate import evaluate_split

        scores = evaluate_split(folder, "test", device=device).to_json()
        return {name: scores[name] for name in ("bleu", "chrf", "ter")}
    if task == "language_model":
        from seq2seq.evaluation.evaluate_language_model import evaluate_language_model

        return evaluate_language_model(folder, "test", device=device)[0].to_json()
    from seq2seq.evaluation.evaluate_task import evaluate_task

    content = evaluate_task(folder, "test", device=device).to_json()
    return {k: v for k, v in content.items() if isinstance(v, dict) and "score" in v}


def confirmation_jobs(search: Search, winner: TrialRow, count: int) -> list[Job]:
    """Return trainings of the winner and of the recipe with new seeds."""
    recipes = {
        f"trial-{winner.number}": trial_recipe(search.recipe, winner.values),
        "base": search.recipe.without_tune(),
    }
    jobs = []
    for seed in _new_seeds(search.recipe, count):
        for name, recipe in recipes.items():
            folder = search.folder / "confirm" / f"{name}-seed-{seed}"
            seeded = recipe.model_copy(update={"seed": seed})
            jobs.append(Job(f"confirm-{name}-{seed}", folder, seeded))
    return jobs


def _new_seeds(recipe: BaseRecipe, count: int) -> list[int]:
    return [recipe.seed + number for number in range(1, count + 1)]


def read_confirmation(search: Search, winner: TrialRow) -> Confirmation | None:
    """Compare the finished re-runs of the winner with those of the recipe.

    Source: Welch 1947.
    """
    seeds, winners, bases = [], [], []
    for seed in _new_seeds(search.recipe, MAX_CONFIRM):
        folders = [
            search.folder / "confirm" / f"{name}-seed-{seed}"
            for name in (f"trial-{winner.number}", "base")
        ]
        # One that failed has a best validation too, of the steps before.
        finished = [RunFolder(folder).summary.is_file() for folder in folders]
        values = [search.value(f) if all(finished) else None for f in folders]
        if values[0] is not None and values[1] is not None:
            seeds.append(seed)
            winners.append(values[0])
            bases.append(values[1])
    if len(seeds) < 2:
        return None
    difference = mean(winners) - mean(bases)
    error = math.sqrt((stdev(winners) ** 2 + stdev(bases) ** 2) / len(seeds))
    half = T_QUANTILES[len(seeds) - 2] * error
    interval = (difference - half, difference + half)
    confirmed = interval[1] < 0 if search.minimize else interval[0] > 0
    return Confirmation(
        winner.number, seeds, winners, bases, difference, interval, confirmed
    )


def read_result(search: Search, date: str) -> SearchResult:
    """Put together what the files of a search say."""
    rows = trial_rows(search)
    winner = winner_of(rows, minimize=search.minimize)
    return SearchResult(
        1,
        date,
        search.folder.resolve().name,
        search.metric,
        search.minimize,
        [parameter.key for parameter in search.parameters],
        [p.key for p in search.parameters if p.range.kind == "log"],
        rows,
        None if winner is None else winner.number,
        base_number(search, rows),
        importances(search.study),
        read_object(search.folder / "test.json") or None,
        None if winner is None else read_confirmation(search, winner),
    )
