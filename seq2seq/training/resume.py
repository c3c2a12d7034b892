"""Resuming a run: its lock, and what must not change."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.base import diff_options
from seq2seq.runs.checkpoint_io import latest_valid_checkpoint
from seq2seq.runs.run_folder import RunFolder
from seq2seq.tasks.data import TaskData
from seq2seq.utils.files import remove_temp_files


@contextmanager
def run_lock(run: RunFolder) -> Iterator[None]:
    """Lock a run folder against a second training; remove what a killed one left.

    The system releases the lock when a process ends, however it ends. Of several
    processes only the main one locks.

    Raises:
        UserError: If another training holds the lock.
    """
    lock = FileLock(run.path / ".lock", timeout=1)  # `seq2seq runs` probes it.
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another training writes to {run.path}. Wait for it, or name another "
            "folder with --output."
        ) from error
    except OSError as error:
        raise UserError(
            f"{run.path} cannot be written: {error.strerror}. Mend that, or name "
            "another folder with --output."
        ) from error
    try:
        for folder in (run.path, run.last.parent, run.vocabulary_folder):
            remove_temp_files(folder)
        yield
    finally:
        lock.release()


def validate_resume_recipe(run: RunFolder, recipe: BaseRecipe) -> None:
    """Refuse to continue a run with another recipe.

    Raises:
        UserError: If it was begun with another one, or its recipe is damaged.
    """
    if not run.recipe.is_file() or not run.has_training_state:
        return
    before = run.read_recipe().model_dump(mode="json")
    now = recipe.model_dump(mode="json")
    changed = sorted(
        f"{key} was {old!r}, is now {new!r}"
        for key, old, new in diff_options(before, now)
        if key != "description"
    )
    if changed:
        advice = _train_on(run, before["train"], now["train"], len(changed))
        raise UserError(
            f"{run.path} was trained with another recipe: {'; '.join(changed)}. "
            + (advice or "Name another folder with --output, or remove this one.")
        )


def _train_on(
    run: RunFolder, before: dict[str, Any], now: dict[str, Any], num_changed: int
) -> str:
    """Return how to train on from a run, if the recipe only trains longer."""
    more = {
        key: now[key] - before[key]
        for key in ("max_steps", "max_epochs")
        if (now[key] or 0) > (before[key] or 0) > 0
    }
    if len(more) != num_changed:
        return ""
    overrides = [f"train.init_from={run.path}"]
    overrides += [f"train.{key}={count}" for key, count in more.items()]
    command = ["seq2seq", "train", str(run.recipe)]
    for override in overrides:
        command += ["-o", override]
    command += ["--output", f"{run.path}-2"]
    return f"To train on from its weights: {shlex.join(command)}"


def validate_resume_world_size(run: RunFolder, count: int) -> None:
    """Refuse to continue a run with another number of processes.

    Raises:
        UserError: If there are now more or fewer: a step's batches are dealt to all,
            so each would be dealt others.
    """
    notes = run.data
    if not run.has_training_state or not notes.is_file():
        return
    try:
        before = int(json.loads(notes.read_bytes()).get("processes", 1))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{notes} is damaged; restore it from a copy.") from error
    if before != count:
        raise UserError(
            f"{run.path} was trained by {before} process{'es' if before > 1 else ''}, "
            f"now there {'are' if count > 1 else 'is'} {count}. Start as many, or name "
            "another folder with --output."
        )


def validate_resume_data(run: RunFolder, data: TaskData) -> None:
    """Refuse to continue a run on other examples or with other vocabularies.

    Raises:
        UserError: If they are not what the run was begun with.
    """
    if not run.has_training_state:
        return
    notes = run.data
    try:
        before = json.loads(notes.read_bytes())["train"]["fingerprint"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{notes} is damaged; restore it from a copy.") from error
    if before != data.fingerprint:
        raise UserError(
            f"{run.path} was trained on other data than there is now. Restore the "
            "data, or name another folder with --output."
        )
    if run.read_vocabularies() != dict(data.vocabularies):
        raise UserError(
            f"{run.path} was trained with other tokenizers than there are now; "
            "the same text gave others. Name another folder with --output."
        )


def find_resume_checkpoint(run: RunFolder, log: Callable[[str], None]) -> Path | None:
    """Choose the training state to continue from: the newest that is whole, if any.

    Raises:
        UserError: If there are some, but none is whole.
    """
    return latest_valid_checkpoint((run.last, run.previous), log)
