"""The search: workers that ask Optuna for trials, train them and tell the results.

Everything is in the folder of the search, and a worker can be killed at any moment:

base.yaml          the recipe with its tune section
trials.journal     Optuna's journal: parameters, validations and results of trials
trials/0007/       the run folder of trial 7
locks/             who holds what; the system frees the locks of the dead
confirm/           run folders with new seeds, of --confirm
best.yaml, trials.tsv, test.json, report.*   the result (`results`)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer

from seq2seq.errors import RecipeError, UserError
from seq2seq.evaluation.training_history import read_series
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.base import diff_options
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.recipe.tune import TuneOptions
from seq2seq.runs.run_folder import RunFolder
from seq2seq.tuning.jobs import (
    POLL_SECONDS,
    Job,
    PrunedError,
    claim,
    describe,
    has_ended,
    train_job,
    write_outcome,
)
from seq2seq.tuning.run_table import read_object, read_run
from seq2seq.tuning.search_space import Parameter, metric_name, read_space, trial_recipe
from seq2seq.tuning.study import open_study, set_sampler, suggest
from seq2seq.utils.files import atomic_file

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

MAX_FIRST_FAILURES = 3
"""So many failures and no success end a search: the fault is not in the values."""


@dataclass(frozen=True)
class Search:
    """A search, as all its workers see it.

    Attributes:
        folder: Its folder.
        recipe: The recipe with its tune section.
        parameters: The keys that vary.
        metric: The metric that decides, such as valid_bleu.
        study: Optuna's study.
    """

    folder: Path
    recipe: BaseRecipe
    parameters: list[Parameter]
    metric: str
    study: Study

    @property
    def options(self) -> TuneOptions:
        """The tune section."""
        assert self.recipe.tune is not None
        return self.recipe.tune

    @property
    def minimize(self) -> bool:
        """Whether less is better."""
        return self.metric.removeprefix("valid_") in LOWER_IS_BETTER

    def trial_folder(self, number: int) -> Path:
        """Return the run folder of a trial."""
        return self.folder / "trials" / f"{number:04}"

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def value(self, folder: Path) -> float | None:
        """Return the metric of a run at its best checkpoint; None without any."""
        series = read_series(RunFolder(folder).metrics)
        best = [step for step, mark in series.get("best", []) if mark]
        values = dict(series.get(self.metric, []))
        return values.get(best[-1]) if best else None


def open_search(recipe: BaseRecipe, name: str, folder: Path) -> Search:
    """Check a search's recipe and open its folder, or make it.

    Args:
        recipe: The recipe with a tune section.
        name: Its name, for messages.
        folder: The folder.

    Raises:
        UserError: If a range is none, the folder cannot be written, or it holds the
            search of another recipe. Trials and hours may change.
    """
    parameters = read_space(recipe, name)
    metric = metric_name(recipe)
    with claim(folder, "study", wait=True):
        base = folder / "base.yaml"
        if base.is_file():
            _check_same_recipe(read_recipe(str(base)), recipe, folder)
        with atomic_file(base) as file:
            file.write(recipe_yaml(recipe).encode())
        assert recipe.tune is not None
        minimize = metric.removeprefix("valid_") in LOWER_IS_BETTER
        study = open_study(folder, recipe.tune, minimize=minimize)
        base_values = {p.key: p.base for p in parameters}
        if not study.get_trials(deepcopy=False) and None not in base_values.values():
            study.enqueue_trial(base_values)  # The first trial is the recipe as it is.
    return Search(folder, recipe, parameters, metric, study)


def _check_same_recipe(before: BaseRecipe, now: BaseRecipe, folder: Path) -> None:
    differences = diff_options(
        before.model_dump(mode="json"), now.model_dump(mode="json")
    )
    changed = [
        f"{key} was {old!r}, is now {new!r}"
        for key, old, new in differences
        if key not in ("description", "tune.trials", "tune.hours")
    ]
    if changed:
        raise UserError(
            f"{folder} holds the search of another recipe: {'; '.join(changed)}. Name "
            "another folder with --output."
        )


class ReportValidations(Callback):
    """Tell Optuna the value of each validation, and end a trial that shall be pruned.

    Args:
        trial: The trial.
        metric: The metric that decides.
        validate_every: Steps between validations.
        reported: Numbers of the validations that were told before.
    """

    def __init__(
        self, trial: Trial, metric: str, *, validate_every: int, reported: set[int]
    ) -> None:
        self.trial = trial
        self.metric = metric
        self.validate_every = validate_every
        self.reported = reported
        self.number = 0
        self.prune = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the value, and decide."""
        value = float(trainer.callback_metrics[self.metric])
        if trainer.sanity_checking or not math.isfinite(value):
            return
        self.number = -(-trainer.global_step // self.validate_every)
        if self.number not in self.reported:  # A resumed training may repeat one.
            self.reported.add(self.number)
            self.trial.report(value, self.number)
        self.prune = self.trial.should_prune()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """End where the checkpoint behind the validation is written."""
        if self.prune:
            raise PrunedError(
                f"at validation {self.number} worse than the median of other trials"
            )


def run_trials(search: Search, *, device: str, report: Callable[[str], None]) -> None:
    """Run trials until all are done, beside other processes that do the same.

    Args:
        search: The search.
        device: Where to compute.
        report: Called with a line at the beginning and the end of each trial.

    Raises:
        Interrupted: If a signal came; the trial's state was saved.
        UserError: If the folder cannot be written, or nothing but failures came.
    """
    from optuna.trial import TrialState

    while True:
        with ExitStack() as trial_lock:
            trial = _take_trial(search, trial_lock)
            if trial is not None:
                _run_trial(search, trial, device=device, report=report)
                continue
        if all(trial.state != TrialState.RUNNING for trial in search.trials()):
            return
        time.sleep(POLL_SECONDS)


def _take_trial(search: Search, trial_lock: ExitStack) -> Trial | None:
    """Claim a trial whose worker died, or else a new one; None if there is none."""
    from optuna.trial import Trial, TrialState

    study, options = search.study, search.options
    with claim(search.folder, "study", wait=True):
        trials = search.trials()
        for frozen in trials:
            if frozen.state == TrialState.RUNNING and trial_lock.enter_context(
                claim(search.folder, f"trial-{frozen.number:04}")
            ):
                _seed(search, frozen.number)
                return Trial(study, frozen._trial_id)
        waiting = [t.number for t in trials if t.state == TrialState.WAITING]
        spent = len(trials) - len(waiting) >= options.trials
        if spent or (options.hours and _hours(search) >= options.hours):
            return None
        number = waiting[0] if waiting else len(trials)
        trial_lock.enter_context(claim(search.folder, f"trial-{number:04}"))
        _seed(search, number)
        trial = study.ask()
        suggest(trial, search.parameters)  # Before another worker draws.
        return trial


def _seed(search: Search, number: int) -> None:
    seed, trials = search.recipe.seed, search.options.trials
    set_sampler(search.study, number, seed=seed, trials=trials)


def _hours(search: Search) -> float:
    rows = [read_run(search.trial_folder(trial.number)) for trial in search.trials()]
    return sum(row.seconds or 0.0 for row in rows) / 3600


def _run_trial(
    search: Search, trial: Trial, *, device: str, report: Callable[[str], None]
) -> None:
    """Train a trial that is claimed, and tell Optuna what came of it."""
    number, folder = trial.number, search.trial_folder(trial.number)
    overrides = suggest(trial, search.parameters)
    report(f"trial {number}: " + " ".join(f"{k}={v}" for k, v in overrides.items()))
    if not has_ended(folder):
        reporter = ReportValidations(
            trial,
            search.metric,
            validate_every=search.recipe.train.validate_every,
            reported=set(search.trials()[number].intermediate_values),
        )
        try:
            recipe = trial_recipe(search.recipe, overrides)
        except RecipeError as error:  # Values that do not go together.
            folder.mkdir(parents=True, exist_ok=True)
            write_outcome(folder, "failed", " ".join(str(error).split()))
        else:
            job = Job(f"trial-{number:04}", folder, recipe)
            train_job(job, device=device, callbacks=[reporter])
    _tell(search, number)
    report(f"trial {number}: {describe(folder)}")


def _tell(search: Search, number: int) -> None:
    """Tell Optuna how a trial ended; a search of failures alone ends."""
    from optuna.trial import TrialState

    folder = search.trial_folder(number)
    state = read_object(RunFolder(folder).outcome).get("state")
    value = None if state else search.value(folder)
    if not state and value is None:
        state = "failed"
        write_outcome(folder, state, f"no validation has a finite {search.metric}")
    if state == "pruned":
        search.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
    elif state:
        search.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    else:
        search.study.tell(number, value, skip_if_finished=True)
    ended = [trial for trial in search.trials() if trial.state.is_finished()]
    if len(ended) >= MAX_FIRST_FAILURES and all(
        trial.state == TrialState.FAIL for trial in ended
    ):
        raise UserError(
            f"all {len(ended)} trials failed, the last one so: {describe(folder)}"
        )
