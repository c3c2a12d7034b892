"""Trainings that several processes share, each claimed by a lock file.

The system frees the lock of a process that ends, however it ends, so whoever looks next
takes the training up where it was killed, in its own run folder.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from lightning.pytorch import Callback
from rich.console import Console

from seq2seq.data.preprocessing import available_cores
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.runs.run_folder import RunFolder, write_json
from seq2seq.training.precision import resolve_precision
from seq2seq.training.resume import validate_resume_recipe
from seq2seq.training.train import train
from seq2seq.tuning.run_table import read_object, read_run
from seq2seq.utils.devices import resolve_devices

log = logging.getLogger(__name__)

MAX_STARTS = 5
"""So often a training is begun anew at one step before it counts as failed."""
POLL_SECONDS = 2.0


class Job(NamedTuple):
    """A training to be done once, by whoever claims it."""

    name: str
    folder: Path
    recipe: BaseRecipe


class PrunedError(Exception):
    """Raised by a callback to give a training up, after its state was saved."""


@contextmanager
def claim(folder: Path, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a name; whether it is held is what the context gives.

    Args:
        folder: The folder of the sweep or search, which all processes share.
        name: What is worked on.
        wait: Whether to wait for another process that holds it.

    Raises:
        UserError: If the folder cannot be written.
    """
    path = folder / "locks" / f"{name}.lock"
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror}. Mend that, or name another "
            "folder with --output."
        ) from error
    try:
        yield True
    finally:
        lock.release()


def has_ended(folder: Path) -> bool:
    """Return whether a training is finished, or was given up."""
    run = RunFolder(folder)
    return run.summary.is_file() or run.outcome.is_file()


def check_resumable(jobs: Sequence[Job], device: str) -> None:
    """Check that run folders that are there were begun with the jobs' recipes.

    Raises:
        UserError: If one was not.
    """
    (name,) = resolve_devices(device).names
    for job in jobs:
        run = RunFolder(job.folder)
        validate_resume_recipe(run, resolve_precision(job.recipe, run, name)[0])


def train_all(
    jobs: Sequence[Job], folder: Path, *, device: str, report: Callable[[str], None]
) -> None:
    """Train what is left of some jobs, beside other processes that do the same.

    Args:
        jobs: The trainings.
        folder: The folder that the processes share.
        device: Where to compute.
        report: Called with a line at the beginning and the end of each training.

    Raises:
        Interrupted: If a signal came; the state was saved.
        UserError: If a folder cannot be written.
    """
    while waiting := [job for job in jobs if not has_ended(job.folder)]:
        idle = True
        for job in waiting:
            with claim(folder, job.name) as claimed:
                if not claimed or has_ended(job.folder):
                    continue
                idle = False
                report(f"{job.name}: training")
                train_job(job, device=device)
                report(f"{job.name}: {describe(job.folder)}")
        if idle:  # Others train the rest.
            time.sleep(POLL_SECONDS)


def describe(folder: Path) -> str:
    """Return how a training ended, in a line."""
    row = read_run(folder)
    score = "" if row.valid is None else f", {row.metric} {row.valid:.2f}"
    return f"{row.state} at step {row.step:,}{score}"


def train_job(job: Job, *, device: str, callbacks: Sequence[Callback] = ()) -> None:
    """Train a job that is claimed; a failure is written into its run folder.

    Args:
        job: The training.
        device: Where to compute.
        callbacks: Callbacks beside the training's own; they may raise PrunedError.

    Raises:
        Interrupted: If a signal came; the state was saved.
        OSError: If the machine fails, not the training: a full disk, say.
        UserError: Likewise, where the cause is one of them.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(job.folder)
    starts = _count_start(job.folder)
    if starts > MAX_STARTS:
        reason = f"killed {MAX_STARTS} times at this step; for want of memory, perhaps"
        write_outcome(job.folder, "failed", reason)
        return
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            console = Console(file=nowhere)
            train(
                job.recipe,
                job.folder,
                device=device,
                console=console,
                callbacks=callbacks,
            )
    except PrunedError as pruned:
        write_outcome(job.folder, "pruned", str(pruned))
    except OSError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, OSError):
            raise
        log.debug("the training failed:", exc_info=True)
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        reason = " ".join(f"{kind}{error}".split())
        write_outcome(job.folder, "failed", reason[:500])
    finally:
        if run.last.is_file() or has_ended(job.folder):
            (job.folder / "starts.json").unlink(missing_ok=True)


def _count_start(folder: Path) -> int:
    """Count the starts since the last that came further than those before it."""
    path, step = folder / "starts.json", read_run(folder).step if folder.exists() else 0
    before = read_object(path)
    starts = int(before["starts"]) + 1 if before.get("step") == step else 1
    write_json(path, {"step": step, "starts": starts})
    return starts


def write_outcome(folder: Path, state: str, reason: str) -> None:
    """Write why a training was given up: the state is failed or pruned."""
    write_json(RunFolder(folder).outcome, {"state": state, "reason": reason})


@contextmanager
def more_workers(count: int, folder: Path) -> Iterator[None]:
    """Run this program's own command in further processes, as if started by hand.

    They share cores evenly, write to worker-2.log and so on, and are waited for at the
    end. When this process is interrupted they are as well, and save their state.

    Args:
        count: Processes, this one included.
        folder: Where their output goes.
    """
    import torch

    threads = max(1, available_cores() // count)
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    command = [sys.executable, "-m", "seq2seq", *sys.argv[1:], "--workers", "1"]
    workers = []
    try:
        for number in range(2, count + 1):
            with (folder / f"worker-{number}.log").open("ab") as output:
                worker = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches it once, through us.
                )
            workers.append(worker)
        yield
    except BaseException:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        raise
    finally:
        for number, worker in enumerate(workers, 2):
            if (status := worker.wait()) and status != 128 + signal.SIGTERM:
                log.warning(
                    f"worker {number} ended with status {status}; "
                    f"{folder / f'worker-{number}.log'} says why"
                )
