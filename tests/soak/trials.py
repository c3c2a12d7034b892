"""Training runs that are killed, signalled or run out of space, in forked processes.

Processes are forked after all imports, which take seconds.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import seq2seq.training.train
import seq2seq.translate  # noqa: F401, imported before any fork
from seq2seq.cli import main
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.runs.checkpoint_io import _HashingWriter
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.callbacks.checkpointing import ResumeCheckpoint
from seq2seq.training.module import TrainingModule

RECIPE = """\
data: {path: data, source: en, target: de}
tokenizer: {vocab_size: 200}
model:
  embedding_size: 12
  encoder: {cell: gru, layers: 1, hidden_size: 12}
  decoder: {cell: gru, layers: 1, hidden_size: 12}
  dropout: 0.2
  word_dropout: 0.1
train:
  max_steps: 30
  batch_tokens: 200
  validate_every: 4
  checkpoint_every: 3
  accumulate_grad_batches: 2
  optimizer: {kind: adam, learning_rate: 0.01}
  schedule: {kind: plateau, patience: 1}
  patience: 6
  monitor: loss
  ema_decay: 0.9
  diagnostics: true
search: {max_length_ratio: 0.5}
"""

Act = Callable[[], None]


class Moments:
    """Counts the moments of a training run and calls a function at one of them.

    A moment is the start of a forward pass, in training or validation, of a write of
    bytes into a checkpoint, or of an operation on files of the run folder: opening one
    for writing, renaming, linking or removing one, making a folder.

    Args:
        at: Number of the moment; none if None.
        act: Called then.
        steps_only: Count forward passes alone.
    """

    FILES = ("os.rename", "os.link", "os.remove", "os.mkdir")

    def __init__(self, at: int | None, act: Act, *, steps_only: bool = False) -> None:
        self.count = 0
        self.at = at
        self.act = act
        self.steps_only = steps_only

    def install(self, run: Path) -> None:
        """Count in this process, until it ends."""
        for owner, name in (
            (TrainingModule, "training_step"),
            (TrainingModule, "validation_step"),
            (_HashingWriter, "write"),
        ):
            if owner is not _HashingWriter or not self.steps_only:
                self._wrap(owner, name)
        if self.steps_only:
            return
        name = str(run)

        def audit(event: str, values: tuple[Any, ...]) -> None:
            writes = event == "open" and str(values[1])[:1] in "wxa"
            if (writes or event in self.FILES) and name in str(values[0]):
                self.count_moment()

        sys.addaudithook(audit)

    def _wrap(self, owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def outer(*values: Any, **named: Any) -> Any:
            self.count_moment()
            return inner(*values, **named)

        setattr(owner, name, outer)

    def count_moment(self) -> None:
        """One more moment."""
        self.count += 1
        if self.count == self.at:
            self.act()


def kill_self() -> None:
    """End as `kill -9` ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def forked(act: Act, output: Path) -> int:
    """Run a function in a forked process.

    Args:
        act: The function; it may call sys.exit.
        output: File to which the output is appended.

    Returns:
        Its exit status, or minus the signal that killed it; 99 after a traceback.
    """
    child = os.fork()
    if child == 0:
        status = 99
        try:
            stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(stream, 1)
            os.dup2(stream, 2)
            act()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 98
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Bench:
    """A folder with data, a recipe and the runs of all trials.

    Args:
        folder: An empty folder, or one that an earlier bench has used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        for split, count in (("train", 200), ("valid", 2), ("test", 2)):
            pairs = list(phrase_pairs("train", count=count + 2))
            pairs = pairs[2:] if split == "test" else pairs[:count]
            for side, language in enumerate(("en", "de")):
                text = "".join(pair[side] + "\n" for pair in pairs)
                (data / f"{split}.{language}").write_text(text, encoding="utf-8")
        (self.folder / "recipe.yaml").write_text(RECIPE)
        os.environ["SEQ2SEQ_CACHE"] = str(self.folder / "cache")
        os.chdir(self.folder)
        torch.set_num_threads(1)

    def command(self, *arguments: str, before: Act = lambda: None) -> int:
        """Run the command line in a forked process; its output is in output.txt."""

        def act() -> None:
            before()
            sys.argv = ["seq2seq", *arguments]
            main()

        return forked(act, self.folder / "output.txt")

    def read_output(self) -> str:
        """Return the output of the commands since the last call."""
        file = self.folder / "output.txt"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        file.unlink(missing_ok=True)
        return text

    def train(self, run: str, *overrides: str, before: Act = lambda: None) -> int:
        """Train into the folder `run`."""
        keys = [part for override in overrides for part in ("-o", override)]
        return self.command(
            "train", "recipe.yaml", *keys, "--output", run, before=before
        )

    def train_until(self, run: str, *overrides: str, moments: Moments) -> int:
        """Train into a folder, with something happening at a moment."""
        path = self.folder / run
        return self.train(run, *overrides, before=lambda: moments.install(path))

    def moments(self, *, steps_only: bool = False) -> int:
        """Train the run that all others are compared with, and count its moments."""
        counter = Moments(None, kill_self, steps_only=steps_only)
        report = self.folder / "moments.json"

        def before() -> None:
            counter.install(self.folder / "whole")
            finish = os._exit

            def end(status: int) -> None:
                report.write_text(json.dumps(counter.count))
                finish(status)

            os._exit = end  # type: ignore[assignment]

        assert self.train("whole", before=before) == 0, self.read_output()
        return int(json.loads(report.read_text()))

    def same(self, run: str, other: str = "whole") -> bool:
        """Return whether two runs ended with the same bits, in all but time."""
        return final_state(self.folder / run) == final_state(self.folder / other)

    def strays(self, run: str) -> list[str]:
        """List temporary files that were left behind."""
        return [str(path) for path in (self.folder / run).rglob("*.tmp")]


def moments(bench: Bench, *, steps_only: bool = False) -> int:
    """Count the moments of an uninterrupted run, once for each bench."""
    note = bench.folder / f"moments-{int(steps_only)}.txt"
    if not note.exists():
        shutil.rmtree(bench.folder / "whole", ignore_errors=True)
        note.write_text(str(bench.moments(steps_only=steps_only)))
    return int(note.read_text())


def new_run(bench: Bench, name: str) -> str:
    """Remove a run of this name and return the name."""
    shutil.rmtree(bench.folder / name, ignore_errors=True)
    bench.read_output()
    return name


def finish(bench: Bench, run: str) -> str:
    """Resume a run; return how it differs from the uninterrupted one."""
    if status := bench.train(run):
        return f"the second time it ended with {status}: {bench.read_output()[-500:]}"
    if not bench.same(run):
        return "it ended with other bits"
    return f"left behind: {strays}" if (strays := bench.strays(run)) else ""


def final_state(run: Path) -> dict[str, Any]:
    """Return all state of a finished run: weights, averages, optimizer, metrics."""
    final: dict[str, Any] = {}
    for name in ("last", "best"):
        state = read_checkpoint(run / "checkpoints" / f"{name}.ckpt")
        for key, value in state.items():
            if key == "callbacks":
                for callback, callback_state in value.items():
                    if callback != "MetricsLogger":  # It records the time.
                        final |= flatten(f"{name}.{callback}", callback_state)
            elif key not in ("loops", "hyper_parameters"):
                final |= flatten(f"{name}.{key}", value)
    for name in ("metrics.csv", "diagnostics.csv"):
        rows = [line.split(",") for line in (run / name).read_text().splitlines()]
        timed = {"seconds", "tokens_per_second"}
        keep = [i for i, column in enumerate(rows[0]) if column not in timed]
        final[name] = [[row[i] for i in keep] for row in rows]
    return final


def flatten(name: str, value: Any) -> dict[str, Any]:
    """Name every leaf of nested values; tensors become bytes."""
    if isinstance(value, torch.Tensor):
        return {name: (tuple(value.shape), value.contiguous().numpy().tobytes())}
    if isinstance(value, dict):
        pairs = [(f"{name}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(f"{name}.{i}", item) for i, item in enumerate(value)]
    else:
        return {name: value}
    return {
        key: leaf for path, item in pairs for key, leaf in flatten(path, item).items()
    }


def limit_memory(extra: int) -> None:
    """Limit this process's address space to its present size and some bytes more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def kill_after_step(step: int) -> Act:
    """Return a function that arranges SIGKILL once a step is on disk.

    The kill comes during the validation of that step, if it has one.
    """

    def install() -> None:
        saved, validated = (
            ResumeCheckpoint.on_train_batch_end,
            TrainingModule.validation_step,
        )

        def ended(self: ResumeCheckpoint, trainer: Any, *rest: Any) -> None:
            saved(self, trainer, *rest)
            due = step % self.options.validate_every == 0
            if trainer.global_step == step and not due:
                kill_self()

        def step_of_validation(self: Any, batch: Any, batch_idx: int) -> Any:
            if self.global_step == step:
                kill_self()
            return validated(self, batch, batch_idx)

        ResumeCheckpoint.on_train_batch_end = ended  # type: ignore[method-assign,assignment]
        TrainingModule.validation_step = step_of_validation  # type: ignore[assignment,method-assign]

    return install
