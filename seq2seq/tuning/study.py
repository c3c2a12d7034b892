"""The trials of a search, kept in Optuna's journal (Akiba et al. 2019).

A journal is a file to which each change is appended. Optuna's authors advise against
SQLite where several processes write, above all on shared file systems.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from seq2seq.errors import UserError
from seq2seq.recipe.tune import TuneOptions
from seq2seq.tuning.search_space import Parameter

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

STUDY = "seq2seq"
RANDOM_TRIALS = 10
"""So many trials at most, a third of all, are random before TPE uses their values."""


class _JournalLock:
    """A lock that dies with its process; whoever gets it drops a line cut off."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        """Wait for the lock."""
        self.lock.acquire()
        with self.journal.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
        return True

    def release(self) -> None:
        """Give it back."""
        self.lock.release()


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        UserError: If it is not.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            "seq2seq tune needs Optuna: pip install 'seq2seq-recurrent[tune]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(folder: Path, options: TuneOptions, *, minimize: bool) -> Study:
    """Open the study of a search, or create it.

    Args:
        folder: The folder of the search.
        options: The tune section.
        minimize: Whether less is better.

    Raises:
        UserError: If the journal is damaged.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal = folder / "trials.journal"
    journal.touch()
    lock: Any = _JournalLock(journal)
    pruner: Any = optuna.pruners.NopPruner()
    if options.prune == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
    try:
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), lock_obj=lock)),
            study_name=STUDY,
            direction="minimize" if minimize else "maximize",
            pruner=pruner,
            load_if_exists=True,
        )
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{journal} is damaged: {error}. Restore it from a copy, or name another "
            "folder with --output."
        ) from error


def set_sampler(study: Study, number: int, *, seed: int, trials: int) -> None:
    """Seed TPE (Bergstra et al. 2011) by a trial's number.

    So what a trial draws depends on the trials before it, not on the process, nor on
    whether that was killed and started again.
    """
    import optuna

    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=min(RANDOM_TRIALS, -(-trials // 3)),
        constant_liar=True,  # Who draws beside running trials looks elsewhere.
        seed=(seed * 1_000_003 + number) % 2**32,
    )


def suggest(trial: Trial, parameters: list[Parameter]) -> dict[str, str]:
    """Draw the values of a trial, or return those that were drawn before.

    Returns:
        Overrides of the recipe: values as text, by key.
    """
    overrides = {}
    for parameter in parameters:
        key, (kind, values) = parameter.key, parameter.range
        value: Any
        if kind == "of":
            value = trial.suggest_categorical(key, values)
        elif parameter.integer:
            value = trial.suggest_int(key, *values, log=kind == "log")
        else:
            value = trial.suggest_float(key, *values, log=kind == "log")
        overrides[key] = parameter.format(value)
    return overrides


def importances(study: Study) -> dict[str, float]:
    """Return how much each key matters for the best trials; empty if it is unknown.

    Source: PED-ANOVA (Watanabe et al. 2023), by Optuna.
    """
    import optuna

    finished = study.get_trials(
        deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)
    )
    if len({trial.value for trial in finished}) < 4:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.25)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dict(
                optuna.importance.get_param_importances(study, evaluator=evaluator)
            )
    except (ValueError, RuntimeError):
        return {}
