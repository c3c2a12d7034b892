"""Compare a training step with another checkout's, alternately, one process each.

    python tests/benchmarks/train_against.py OTHER_CHECKOUT RECIPE -o data.path=...

Prints tokens per second of the median step and peak memory of each round, the medians,
and the ratio of the rates. A checkout older than the name seq2seq-recurrent needs its
distribution's metadata on its path.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]


def measure(checkout: Path, arguments: list[str]) -> tuple[float, int]:
    """Run `bench train` of a checkout; return the median step's rate and peak MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "seq2seq", "bench", "train", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    line = json.loads(done.stdout.splitlines()[-1])
    return float(line["pieces_per_second_median_step"]), int(line["peak_rss_mib"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("recipe")
    parser.add_argument("-o", dest="overrides", action="append", default=[])
    parser.add_argument("--steps", default="40")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    arguments = [options.recipe, "--steps", options.steps]
    for override in options.overrides:
        arguments += ["-o", override]
    results: dict[str, list[tuple[float, int]]] = {"this": [], "other": []}
    for number in range(options.rounds):
        sides = [("this", HERE), ("other", options.other.resolve())]
        for name, checkout in sides if number % 2 else sides[::-1]:
            rate, memory = measure(checkout, arguments)
            results[name].append((rate, memory))
            print(f"round {number + 1}  {name:5}  {rate:,.0f} tokens/s  {memory:,} MiB")
    (this, this_memory), (other, other_memory) = (
        [statistics.median(column) for column in zip(*results[name], strict=True)]
        for name in ("this", "other")
    )
    print(
        f"median {this:,.0f} against {other:,.0f} tokens/s: {this / other:.3f} times; "
        f"{this_memory:,.0f} against {other_memory:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
