"""Run a chain: each stage as a command of its own, which is printed; then compare.

Every stage is the process of `seq2seq train` or `seq2seq distill` that its line shows,
so what holds for them holds for a chain: a run folder for each training, resumed
exactly. `stages.json` records which command made a stage, from which inputs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from seq2seq.errors import UserError
from seq2seq.recipe.chain import Chain, TrainingStage
from seq2seq.runs.run_folder import write_json
from seq2seq.utils.console import is_quiet
from seq2seq.utils.files import sha256_file

RECORD = "stages.json"
COMPARISON = "comparison"
_ENTRY = {"command", "inputs", "digest", "seconds"}  # Of each stage.


@dataclass(frozen=True)
class Step:
    """A command of a chain.

    Attributes:
        name: The stage's name, or that of what follows the stages.
        purpose: What it does, for people.
        words: The command behind `seq2seq`.
        output: The folder or file that it makes.
        inputs: Names of the stages that it reads.
    """

    name: str
    purpose: str
    words: list[str]
    output: Path
    inputs: tuple[str, ...] = ()


def chain_steps(
    chain: Chain,
    trainings: dict[str, TrainingStage],
    folder: Path,
    options: Sequence[str],
) -> list[Step]:
    """Return the commands of a chain's stages.

    Args:
        chain: The chain.
        trainings: Its trainings, by name.
        folder: The chain's folder.
        options: Further words of every command that trains, such as `--device cpu`.
    """
    steps = []
    for stage in chain.stages:
        output = folder / stage.name
        if stage.train is not None:
            training = trainings[stage.name]
            words = ["train", training.recipe_name]
            for override in training.overrides:
                words += ["-o", override]
            words += ["--output", str(output), *options]
            purpose = f"train {stage.train}"
            if stage.init_from:
                purpose += f" from {stage.init_from}"
            if stage.mix:
                purpose += f", also on {' and '.join(stage.mix)}"
            inputs = [*([stage.init_from] if stage.init_from else []), *stage.mix]
        else:
            first, *others = (str(folder / name) for name in stage.distill)
            words = ["distill", first, str(output)]
            for other in others:
                words += ["--ensemble", other]
            if stage.sequence_interpolation:
                words.append("--sequence-interpolation")
            if stage.beam is not None:
                words += ["--beam", str(stage.beam)]
            if "--device" in options:
                start = list(options).index("--device")
                words += options[start : start + 2]
            purpose = f"translate the training data of {' and '.join(stage.distill)}"
            inputs = stage.distill
        steps.append(Step(stage.name, purpose, words, output, tuple(inputs)))
    return steps


class ChainRun:
    """A chain in its folder: which stages are done, from which inputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / RECORD
        try:
            text = self.path.read_text("utf-8") if self.path.exists() else "{}"
            self.record: dict[str, Any] = json.loads(text)
            if not all({*entry} == _ENTRY for entry in self.record.values()):
                raise ValueError
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            raise UserError(f"{self.path} is damaged; remove it.") from None

    def run(self, step: Step, title: str) -> None:
        """Run a step unless it is done.

        Raises:
            UserError: If another command or other inputs made what is there, or the
                command fails.
            typer.Exit: If it was interrupted.
        """
        inputs = {name: self.record[name]["digest"] for name in step.inputs}
        made_by = {"command": self._portable(step.words), "inputs": inputs}
        recorded = self.record.get(step.name)
        if recorded and {key: recorded[key] for key in made_by} != made_by:
            raise UserError(
                f"{step.output} was made by another command, or from other inputs, "
                f"than this chain's: remove it and what follows it, or name another "
                f"folder (--output). {self.path} has the command."
            )
        if recorded and recorded["digest"] is not None:
            if recorded["digest"] == _digest(step.output):
                minutes = recorded["seconds"] / 60
                self._say(f"{title}: done in {minutes:.1f} minutes")
                return
            raise UserError(
                f"{step.output} has been changed since this chain made it; remove it "
                "and what follows it, or name another folder (--output)."
            )
        spent = recorded["seconds"] if recorded else 0.0
        is_written = recorded is not None and _digest(step.output) is not None
        self._save(step.name, {**made_by, "digest": None, "seconds": spent})
        self._say(f"{title}: {step.purpose}")
        start = time.monotonic()
        if not is_written or step.words[0] == "train":  # The others write whole files.
            self._say(f"$ {shlex.join(['seq2seq', *step.words])}")
            status = _call(step.words)
            spent += time.monotonic() - start
            if status:
                self._save(step.name, {**made_by, "digest": None, "seconds": spent})
                if status in (130, 143):
                    self._say("interrupted; the same command goes on from there")
                    raise typer.Exit(status)
                raise UserError(
                    f"stage {step.name} failed with status {status}; what is wrong "
                    "stands above. The same command goes on from there."
                )
        digest = _digest(step.output)
        self._save(step.name, {**made_by, "digest": digest, "seconds": spent})

    def minutes(self, name: str) -> float:
        """Return how long a stage ran."""
        return float(self.record[name]["seconds"]) / 60

    def _portable(self, words: Sequence[str]) -> list[str]:
        """Return a command without the folder, which may be moved."""
        # A whole path alone: a folder called a is not every a.
        folder = rf"(?<![\w./\\-]){re.escape(str(self.folder))}(?=[/\\]|$)"
        return [re.sub(folder, ".", word) for word in words]

    def _save(self, name: str, entry: dict[str, Any]) -> None:
        self.record[name] = entry
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.record)

    @staticmethod
    def _say(text: str) -> None:
        if not is_quiet():
            print(text, file=sys.stderr, flush=True)


def _digest(output: Path) -> str | None:
    """Return the SHA-256 of each file that a step makes; None if one is missing."""
    files = [output / "checkpoints" / "best.ckpt"]
    if not files[0].is_file():
        files = sorted(output.glob("*.tsv")) or [output / "report.json"]
    if output.suffix == ".json":
        files = [output]
    if not all(path.is_file() for path in files):
        return None
    return " ".join(map(sha256_file, files))


def _call(words: Sequence[str]) -> int:
    """Run a command of seq2seq; signals that stop this process reach that one.

    Returns:
        Its exit status; 128 and the signal's number if a signal ended it.
    """
    command = [sys.executable, "-m", "seq2seq", *(["-q"] if is_quiet() else []), *words]
    posix = os.name == "posix"  # Elsewhere a console sends Ctrl-C to both processes.
    received: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: object) -> None:
        received.append(number)
        if posix and process is not None:
            process.send_signal(number)

    # Before it starts: a signal in between would leave it running alone.
    before = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen(command, start_new_session=posix)
        if posix and received:
            process.send_signal(received[0])
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received and status:
        return 128 + received[0]
    return status if status >= 0 else 128 - status
