"""A search by two workers, one of which is killed again and again.

    python tests/soak/tuning.py FOLDER [--kills 10] [--trials 12]

Two commands share a search. The second is killed by SIGKILL after a random time and
started again, as often as --kills says. In the end every trial has to be there once,
with its own run folder, and its training has to be whole: as many validations, each
once, as an uninterrupted one has. Prints a JSON line; status 1 where one is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUNE = """\
tune:
  trials: {trials}
  prune: none
  space:
    model.dropout: [0.0, 0.5]
    train.optimizer.learning_rate: {{log: [1e-3, 0.5]}}
"""
STEPS, VALIDATE_EVERY = 60, 10


def start(recipe: Path, folder: Path, number: int) -> subprocess.Popen[bytes]:
    """Start a worker; its output is appended to a file of its own."""
    command = [sys.executable, "-m", "seq2seq", "tune", str(recipe)]
    overrides = [f"train.max_steps={STEPS}", f"train.validate_every={VALIDATE_EVERY}"]
    for override in overrides:
        command += ["-o", override]
    with (folder.parent / f"worker-{number}.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "--output", str(folder)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )


def check(folder: Path, trials: int) -> list[str]:
    """Return what is lost, doubled or not whole."""
    result = json.loads((folder / "report.json").read_bytes())
    rows = result["trials"]
    faults = []
    if [row["number"] for row in rows] != list(range(trials)):
        faults.append(f"trials {[row['number'] for row in rows]}")
    faults += [f"trial {r['number']}: {r}" for r in rows if r["state"] != "finished"]
    values = [tuple(row["values"].items()) for row in rows]
    if len(set(values)) < trials:
        faults.append("two trials have the same values")
    for row in rows:
        run = folder / "trials" / f"{row['number']:04}"
        lines = (run / "metrics.csv").read_text().splitlines()
        steps = [int(line.split(",")[0]) for line in lines[1:] if line[-1] in "01"]
        validated = [step for step in steps if step % VALIDATE_EVERY == 0]
        if sorted(set(validated)) != list(
            range(VALIDATE_EVERY, STEPS + 1, VALIDATE_EVERY)
        ):
            faults.append(f"trial {row['number']} was validated at {validated}")
    folders = sorted(path.name for path in (folder / "trials").iterdir())
    if folders != [f"{number:04}" for number in range(trials)]:
        faults.append(f"run folders {folders}")
    return faults


def main() -> int:
    """Run the search."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tiny = ROOT / "tests" / "helpers" / "tiny_recipe.yaml"
    recipe = options.folder / "recipe.yaml"
    text = tiny.read_text() + TUNE.format(trials=options.trials)
    recipe.write_text(text)
    os.environ["SEQ2SEQ_CACHE"] = str(options.folder / "cache")
    search, draw = options.folder / "search", random.Random(options.seed)
    steady, killed = start(recipe, search, 1), start(recipe, search, 2)
    moments: list[str] = []
    log = options.folder / "worker-2.txt"
    while len(moments) < options.kills and killed.poll() is None:
        size = log.stat().st_size
        # A worker is killed only once it has taken a trial, or nothing is tested.
        while log.stat().st_size == size and killed.poll() is None:
            time.sleep(0.2)
        time.sleep(draw.uniform(0, 3))
        killed.send_signal(signal.SIGKILL)
        if killed.wait() == -signal.SIGKILL:
            moments.append(log.read_text().splitlines()[-1])
            killed = start(recipe, search, 2)
    statuses = [steady.wait(), killed.wait()]
    faults = check(search, options.trials)
    if statuses != [0, 0]:
        faults.append(f"the workers ended with {statuses}")
    if len(moments) < options.kills:
        faults.append("the search ended before all kills: give more --trials")
    print(json.dumps({"kills": len(moments), "at": moments, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
