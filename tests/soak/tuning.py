"""A search by two workers, one of which is killed again and again.

    python tests/soak/tuning.py FOLDER [--kills 10] [--trials 12]

Two processes run one search by the command. The second is killed by SIGKILL at a random
moment and started again, as often as --kills says. In the end each trial has to be
there once, with values and a run folder of its own, and its training has to be whole:
all validations, no other steps. Prints a JSON line; status 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import optuna  # noqa: F401, imported before any fork
import torch

import seq2seq.training.train
import seq2seq.translate
import seq2seq.tuning.report
import seq2seq.tuning.trials  # noqa: F401
from seq2seq.cli import main as command

ROOT = Path(__file__).resolve().parents[2]
TUNE = """\
tune:
  trials: {trials}
  prune: none
  space:
    model.dropout: [0.0, 0.5]
    train.optimizer.learning_rate: {{log: [1e-3, 0.5]}}
"""
STEPS, VALIDATE_EVERY = 12, 4


def start(recipe: Path, search: Path, number: int) -> int:
    """Start a worker in a forked process; its output is appended to a file."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        path = search.parent / f"worker-{number}.txt"
        stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        arguments = ["seq2seq", "tune", str(recipe), "--output", str(search)]
        with mock.patch.object(sys, "argv", arguments):
            command()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 98
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def status_of(worker: int, *, wait: bool = False) -> int | None:
    """Return how a worker ended; None while it runs."""
    child, status = os.waitpid(worker, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if child else None


def checkpoints(search: Path) -> int:
    """Return the number of the newest files among the checkpoints, as one value."""
    paths = search.glob("trials/*/checkpoints/last.ckpt")
    return hash(tuple(sorted(path.stat().st_mtime_ns for path in paths)))


def check(search: Path, trials: int) -> list[str]:
    """Return what is lost, doubled or not whole."""
    rows = json.loads((search / "report.json").read_bytes())["trials"]
    expected = list(range(trials))
    faults = []
    if [row["number"] for row in rows] != expected:
        faults.append(f"trials {[row['number'] for row in rows]}")
    faults += [f"trial {row}" for row in rows if row["state"] != "finished"]
    if len({tuple(row["values"].items()) for row in rows}) < trials:
        faults.append("two trials have the same values")
    folders = sorted(path.name for path in (search / "trials").iterdir())
    if folders != [f"{number:04}" for number in expected]:
        faults.append(f"run folders {folders}")
    for folder in folders:
        with (search / "trials" / folder / "metrics.csv").open(newline="") as file:
            steps = [int(row["step"]) for row in csv.DictReader(file) if row["best"]]
        if steps != list(range(VALIDATE_EVERY, STEPS + 1, VALIDATE_EVERY)):
            faults.append(f"trial {folder} was validated at {steps}")
    return faults


def main() -> int:
    """Run the search."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "tests" / "helpers" / "tiny_recipe.yaml").read_text()
    text = text.replace("max_steps: 6", f"max_steps: {STEPS}")
    text = text.replace("validate_every: 2", f"validate_every: {VALIDATE_EVERY}")
    recipe, search = folder / "recipe.yaml", folder / "search"
    recipe.write_text(text + TUNE.format(trials=options.trials))
    os.environ["SEQ2SEQ_CACHE"] = str(folder / "cache")
    draw, moments = random.Random(options.seed), []
    log = folder / "worker-2.txt"
    log.touch()
    steady, killed = start(recipe, search, 1), start(recipe, search, 2)
    ended: int | None = None
    while len(moments) < options.kills and ended is None:
        size = log.stat().st_size
        # A worker is killed only once it has taken a trial, or nothing is tested.
        while log.stat().st_size == size and ended is None:
            time.sleep(0.02)
            ended = status_of(killed)
        # At once, or after some checkpoints of either worker.
        for _ in range(draw.randrange(12) if draw.random() < 0.7 else 0):
            state = checkpoints(search)
            while checkpoints(search) == state and ended is None:
                time.sleep(0.01)
                ended = status_of(killed)
        if ended is None:
            os.kill(killed, signal.SIGKILL)
            ended = status_of(killed, wait=True)
        if ended == -signal.SIGKILL:
            moments.append(log.read_text().splitlines()[-1])
            killed, ended = start(recipe, search, 2), None
    statuses = [status_of(steady, wait=True), ended]
    if ended is None:
        statuses[1] = status_of(killed, wait=True)
    faults = check(search, options.trials)
    if statuses != [0, 0]:
        faults.append(f"the workers ended with {statuses}")
    if len(moments) < options.kills:
        faults.append("the search ended before all kills: give more --trials")
    print(json.dumps({"kills": len(moments), "at": moments, "faults": faults}))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
