"""Test the promises of docs/reliability.md, few times or many, and count failures.

    python tests/soak/soak.py FOLDER --release     # as often as a release needs
    python tests/soak/soak.py FOLDER --few         # as often as the test suite does
    python tests/soak/soak.py FOLDER --few --case kills --case signals

Every trial has a number, its seed, and a line in FOLDER/results.jsonl once it is done:
the same command resumes where it was stopped. The exit status is 1 if
a trial failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from borders import damage, damaged_cache, lines, pickles, recipes
from trials import (
    Bench,
    Moments,
    finish,
    kill_after_step,
    kill_self,
    limit_memory,
    moments,
    new_run,
)

from seq2seq.runs.checkpoint_reader import read_checkpoint

Trial = Callable[[Bench, int], str]
"""Returns a description of the failure, or an empty string."""

ONE_LINE = re.compile(r"error: [^\n]+\n\Z")


def kills(bench: Bench, number: int) -> str:
    """SIGKILL ten times in one run, each at a random moment; the same bits?"""
    draw, total = random.Random(number), moments(bench)
    run = new_run(bench, "killed")
    for _ in range(10):
        at = Moments(draw.randint(1, total // 6), kill_self)
        status = bench.train_until(run, moments=at)
        if status != -signal.SIGKILL:
            return f"it ended with {status}: {bench.read_output()[-500:]}"
    return finish(bench, run)


def kills_by_the_clock(bench: Bench, number: int) -> str:
    """SIGKILL from outside, at a random time after the start."""
    moments(bench)
    run = new_run(bench, "timed")
    wait = random.Random(number).uniform(0, 15)
    command = [sys.executable, "-m", "seq2seq", "train", "recipe.yaml", "--output", run]
    with Path(bench.folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        time.sleep(wait)
        process.kill()
        process.wait()
    return finish(bench, run)


def two_ranks(bench: Bench, number: int) -> str:
    """SIGKILL both of two gloo ranks at a random time: the same bits in the end?"""
    command = [sys.executable, "-m", "seq2seq", "train", "recipe.yaml"]
    command += ["--devices", "2", "--device", "cpu", "--output"]
    log = bench.folder / "ranks.txt"

    def start(run: str) -> subprocess.Popen[bytes]:
        with log.open("w") as output:
            return subprocess.Popen(
                [*command, run], stdout=output, stderr=output, start_new_session=True
            )

    if not (bench.folder / "both" / "summary.json").exists():
        shutil.rmtree(bench.folder / "both", ignore_errors=True)
        if start("both").wait():
            return f"uninterrupted: {log.read_text()[-500:]}"
    run = new_run(bench, "ranks")
    process = start(run)
    time.sleep(random.Random(number).uniform(10, 40))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if start(run).wait():
        return f"the second time: {log.read_text()[-500:]}"
    return "" if bench.same(run, "both") else "it ended with other bits"


def every_step(bench: Bench, number: int) -> str:
    """One run, killed after each of its steps; amid validation where there is one."""
    moments(bench)
    run = new_run(bench, "stepwise")
    for step in range(1, 30):
        status = bench.train(
            run, "train.checkpoint_every=1", before=kill_after_step(step)
        )
        if status != -signal.SIGKILL:
            return f"step {step}: it ended with {status}: {bench.read_output()[-500:]}"
        last = read_checkpoint(bench.folder / run / "checkpoints" / "last.ckpt")
        # The step that a validation follows is saved after it.
        expected = step - 1 if step % 4 == 0 else step  # train.validate_every
        if last["global_step"] != expected:
            return f"step {step}: the checkpoint is of step {last['global_step']}"
    if status := bench.train(run, "train.checkpoint_every=1"):
        return f"it ended with {status}: {bench.read_output()[-500:]}"
    return "" if bench.same(run) else "it ended with other bits"


def signals(bench: Bench, number: int) -> str:
    """SIGTERM or SIGINT at a forward pass: status, at most a step lost, same bits."""
    which = (signal.SIGTERM, signal.SIGINT)[number % 2]
    total = moments(bench, steps_only=True)
    at = random.Random(number).randint(1, total)
    run = new_run(bench, "signalled")

    def send_signal() -> None:
        os.kill(os.getpid(), which)

    moment = Moments(at, send_signal, steps_only=True)
    status = bench.train_until(run, moments=moment)
    if status != 128 + which:
        return f"{which.name} at {at}: status {status}: {bench.read_output()[-500:]}"
    state = read_checkpoint(bench.folder / run / "checkpoints" / "last.ckpt")
    loop = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    trained = 2 * state["global_step"]
    if loop["processed"] != trained:
        return f"{loop['processed']} batches are {state['global_step']} steps"
    return finish(bench, run)


def disk(bench: Bench, number: int) -> str:
    """No file may grow beyond a size: reported, nothing lost, nothing left behind."""
    moments(bench)
    run = new_run(bench, "full")
    draw = random.Random(number)
    # Two checkpoints are good before the disk is full.
    before = Moments(moments(bench, steps_only=True) // 2, lambda: None)
    whole = bench.folder / "whole" / "checkpoints" / "last.ckpt"
    # The output is a file as well, and grows to 2 KB.
    size = draw.randint(10_000, whole.stat().st_size - 1)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    before.act = fill
    before.steps_only = True
    if number % 4 == 3:
        os.environ["TMPDIR"] = "/dev/shm"
    status = bench.train_until(run, moments=before)
    os.environ.pop("TMPDIR", None)
    output = bench.read_output()
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    if status != 1 or len(errors) != 1 or "Traceback" in output:
        return f"status {status}: {output[-500:]}"
    if strays := bench.strays(run):
        return f"left behind: {strays}"
    read_checkpoint(bench.folder / run / "checkpoints" / "last.ckpt")
    return finish(bench, run)


def small_disk(bench: Bench, number: int) -> str:
    """A file system that is too small, or checkpoints that become read-only."""
    mount_point = bench.folder / "mounted"
    mount_point.mkdir(exist_ok=True)
    checkpoints = mount_point / "run" / "checkpoints"
    locked = number % 2 == 1
    size = 2000 if locked else 300 + 3 * random.Random(number).randrange(100)

    def mount(*arguments: str) -> bool:
        command = ["mount", *arguments]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    if not mount("-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(mount_point)):
        return "not tried: this needs the right to mount"
    try:

        def lock() -> None:
            if locked:
                assert mount("--bind", str(checkpoints), str(checkpoints))
                assert mount("-o", "remount,bind,ro", str(checkpoints))

        at = Moments(moments(bench, steps_only=True) // 2, lock, steps_only=True)
        status = bench.train_until("mounted/run", moments=at)
        output = bench.read_output()
        if status != 1 or output.count("error: ") != 1 or "Traceback" in output:
            return f"{size} KiB: status {status}: {output[-500:]}"
        if (state := checkpoints / "last.ckpt").exists():
            read_checkpoint(state)
        return f"left: {strays}" if (strays := bench.strays("mounted/run")) else ""
    finally:
        subprocess.run(["umount", "--recursive", str(mount_point)], check=True)


def memory(bench: Bench, number: int) -> str:
    """Little address space and a huge line: one clear line, no partial output."""
    moments(bench)
    bench.read_output()
    output = bench.folder / "translation.txt"
    source = bench.folder / "huge.txt"
    words = random.Random(number).randint(1, 4) * 500_000
    source.write_text("the dog\n" + "the dog " * words + "\nthe dog\n")
    arguments = ("translate", "whole", str(source), "--output", str(output))
    status = bench.command(*arguments, before=lambda: limit_memory(60_000_000))
    printed = bench.read_output()
    if status != 1 or not ONE_LINE.search(printed) or printed.count("\n") != 1:
        return f"status {status}: {printed[-500:]}"
    if output.exists() or list(bench.folder.glob("*.tmp")):
        return "something was left"
    return ""


def twice(bench: Bench, number: int) -> str:
    """Train twice, in fresh processes with separate caches: all is the same."""
    runs = [new_run(bench, name) for name in ("first", "second")]
    for seed, run in enumerate(runs):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": str(number * 2 + seed + 1),
            "SEQ2SEQ_CACHE": str(bench.folder / f"cache-{run}"),
        }
        shutil.rmtree(environment["SEQ2SEQ_CACHE"], ignore_errors=True)
        verbs = [
            ["train", "recipe.yaml", "--output", run],
            ["evaluate", run, "--beam", "2"],
        ]
        code = (
            "import sys, seq2seq.cli as cli\n"
            f"for verb in {verbs!r}:\n"
            "    cli.app(verb, standalone_mode=False)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr[-500:]
    if not bench.same(*runs):
        return "the weights differ"
    for name in (
        "tokenizer/source.model",
        "tokenizer/target.model",
        "evaluation/test/hypotheses.txt",
        "evaluation/test/scores.json",
    ):
        one, other = ((bench.folder / run / name).read_bytes() for run in runs)
        if one != other:
            return f"{name} differs"
    return ""


# How often the test suite and a release run each case.
CASES: dict[Callable[[Bench, int], str], tuple[int, int]] = {
    kills: (1, 20),
    kills_by_the_clock: (0, 20),
    two_ranks: (0, 10),
    every_step: (1, 3),
    signals: (4, 40),
    lines: (2, 1000),
    damage: (120, 5000),
    damaged_cache: (0, 50),
    pickles: (1, 1),
    disk: (2, 200),
    small_disk: (0, 20),
    memory: (1, 20),
    twice: (1, 5),
    recipes: (500, 10_000),
}


def main() -> None:
    """Run cases, go on where an earlier call stopped, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--few", action="store_true")
    size.add_argument("--release", action="store_true")
    names = [case.__name__ for case in CASES]
    parser.add_argument("--case", action="append", choices=names, default=None)
    arguments = parser.parse_args()
    bench = Bench(arguments.folder)
    results = bench.folder / "results.jsonl"
    done: dict[tuple[str, int], str] = {}
    if results.exists():
        for row in results.read_text().splitlines():
            name, number, failure = json.loads(row)
            done[name, number] = failure
    for case, (few, many) in CASES.items():
        name = case.__name__
        if arguments.case is not None and name not in arguments.case:
            continue
        count = few if arguments.few else many
        started = time.time()
        for number in range(count):
            if (name, number) in done:
                continue
            failure = done[name, number] = case(bench, number)
            with results.open("a") as file:
                file.write(json.dumps([name, number, failure]) + "\n")
        failures = [done[name, number] for number in range(count)]
        good = failures.count("")
        seconds = time.time() - started
        print(f"{name:<20} {good:>6} of {count:<6} {seconds:8.0f} s", flush=True)
        for number, failure in enumerate(failures):
            if failure:
                print(f"    {number}: {failure}", flush=True)
    sys.exit(any(done.values()))


if __name__ == "__main__":
    main()
