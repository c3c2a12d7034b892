"""Translate a million lines through a pipe; then kill half way and resume.

    python tests/soak/million.py runs/quickstart FOLDER --lines 1000000
    python tests/soak/million.py runs/quickstart FOLDER --lines 9000 --source real.txt

Real lines, repeated, go through `cat FOLDER/in | seq2seq translate RUN > FOLDER/out`
while memory is sampled. Then the same is written by --output, killed by SIGKILL half
way, and resumed. Prints a JSON line of figures; the exit status is 1 if a line was lost
or shifted, memory grew, or a byte differs. Memory is compared from 100,000 lines on: a
tenth of fewer is over before the process has grown to its size.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from seq2seq.data.phrasebook.corpus import phrase_pairs

GROWTH_MIB = 128
"""How much more memory there may be at the end than after a tenth of the lines."""

MEMORY_LINES = 100_000
"""The fewest lines of which a tenth warms the process up."""

SAMPLE_SECONDS = 0.1


def rss_mib(process: int) -> float:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    rows = [row for row in status.splitlines() if row.startswith("VmRSS:")]
    return int(rows[0].split()[1]) / 1024 if rows else 0.0


def write_input(folder: Path, lines: int, source: Path | None) -> int:
    """Write the lines, blank ones among them; return the period of repetition."""
    if source is None:
        real = [pair[0] for pair in phrase_pairs("test", count=500)] + [""]
    else:
        real = source.read_bytes().decode().split("\n")[:-1]
    with (folder / "in").open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in islice(cycle(real), lines))
    return len(real)


def command(run: Path, *more: str) -> list[str]:
    """The command line of a greedy translation."""
    verb = [sys.executable, "-m", "seq2seq", "translate"]
    return [*verb, str(run), "--beam", "1", *more]


def through_a_pipe(run: Path, folder: Path, lines: int) -> dict[str, Any]:
    """Translate once from pipe to pipe, sampling memory and lines of output."""
    samples: list[tuple[int, float]] = []
    counted, partial = 0, folder / "out.part"
    started = time.monotonic()
    with (
        subprocess.Popen(["cat", folder / "in"], stdout=subprocess.PIPE) as cat,
        partial.open("wb") as writes,
        subprocess.Popen(command(run), stdin=cat.stdout, stdout=writes) as process,
        partial.open("rb") as reads,
    ):
        assert cat.stdout
        cat.stdout.close()  # Or cat would not notice if the translator ended.
        while True:
            ended = process.poll() is not None
            while block := reads.read(1 << 20):
                counted += block.count(b"\n")
            if ended:
                break
            samples.append((counted, rss_mib(process.pid)))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        sys.exit(f"translating ended with status {process.returncode}")
    samples = [sample for sample in samples if sample[1]]  # Not after its end.
    tenth = [rss for count, rss in samples if count <= lines / 10]
    partial.replace(folder / "out")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "lines_out": counted,
        # Maxima; a busy machine may leave no sample.
        "rss_mib_at_10_percent": round(max(tenth, default=0)),
        "rss_mib_at_most": round(max((rss for _, rss in samples), default=0)),
        "samples": len(samples),
    }


def killed_and_resumed(run: Path, folder: Path, lines: int) -> dict[str, Any]:
    """Translate to a file, kill it half way, resume; return where it was killed.

    Until it is killed it gets three quarters of the lines, so it cannot end before.
    """
    output, journal = folder / "again", folder / "again.partial.journal"
    output.unlink(missing_ok=True)
    buffer_size = max(1, min(2000, lines // 8))
    options = ["--output", str(output), "--resume", "--buffer-size", str(buffer_size)]
    arguments = command(run, *options)
    feed = ["sh", "-c", 'head -n "$1" "$2" && exec cat', "sh", str(lines * 3 // 4)]
    pipe = subprocess.PIPE
    done = 0
    with (
        subprocess.Popen([*feed, folder / "in"], stdin=pipe, stdout=pipe) as cat,
        subprocess.Popen(arguments, stdin=cat.stdout) as process,
    ):
        assert cat.stdout
        cat.stdout.close()
        while done < lines // 2 and process.poll() is None:
            time.sleep(SAMPLE_SECONDS / 10)
            done = lines_done(journal)
        process.kill()
        process.wait()
        cat.communicate()  # Its input ends here.
    too_early = output.exists()
    with (folder / "in").open("rb") as whole:
        subprocess.run(arguments, stdin=whole, check=True)
    return {
        "killed_at_line": done,
        "killed": process.returncode == -signal.SIGKILL,
        "a_file_took_its_name_too_early": too_early,
        "the_same_bytes": output.read_bytes() == (folder / "out").read_bytes(),
    }


def lines_done(journal: Path) -> int:
    """Read the number of committed lines."""
    try:
        entries = journal.read_bytes().split(b"\n")[1:-1]
        return int(json.loads(entries[-1])["lines"]) if entries else 0
    except (OSError, ValueError, KeyError):
        return 0


def shifted(folder: Path, period: int) -> int:
    """Count lines whose translation differs from that of their first occurrence."""
    with (folder / "out").open(encoding="utf-8", newline="\n") as file:
        first = list(islice(file, period))
        return sum(
            line != expected for line, expected in zip(file, cycle(first), strict=False)
        )


def main() -> int:
    """Measure, print the figures, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--source", type=Path)
    arguments = parser.parse_args()
    folder, lines = arguments.folder, arguments.lines
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"lines": lines}
    period = write_input(folder, lines, arguments.source)
    figures |= through_a_pipe(arguments.run, folder, lines)
    figures["translated_otherwise_when_they_came_again"] = shifted(folder, period)
    print(json.dumps(figures), flush=True)
    figures |= killed_and_resumed(arguments.run, folder, lines)
    print(json.dumps(figures), flush=True)
    growth = figures["rss_mib_at_most"] - figures["rss_mib_at_10_percent"]
    good = (
        figures["lines_out"] == lines
        and not figures["translated_otherwise_when_they_came_again"]
        and (lines < MEMORY_LINES or growth <= GROWTH_MIB)
        and figures["killed"]
        and not figures["a_file_took_its_name_too_early"]
        and figures["the_same_bytes"]
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
