"""Compare a training step with another checkout's, alternately, one process each.

    python tests/benchmarks/train_against.py OTHER_CHECKOUT RECIPE -o data.path=...

Prints tokens per second of the median step of each round, medians and their ratio.
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


def tokens_per_second(checkout: Path, arguments: list[str]) -> float:
    """Run `bench train` of a checkout; return the median step's rate."""
    done = subprocess.run(
        [sys.executable, "-m", "seq2seq", "bench", "train", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads(done.stdout.splitlines()[-1])
    return float(line["pieces_per_second_median_step"])


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
    rates: dict[str, list[float]] = {"this": [], "other": []}
    for number in range(options.rounds):
        sides = [("this", HERE), ("other", options.other.resolve())]
        for name, checkout in sides if number % 2 else sides[::-1]:
            rates[name].append(tokens_per_second(checkout, arguments))
            print(f"round {number + 1}  {name:5}  {rates[name][-1]:,.0f} tokens/s")
    this, other = (statistics.median(rates[name]) for name in ("this", "other"))
    print(f"median {this:,.0f} against {other:,.0f}: {this / other:.3f} times")


if __name__ == "__main__":
    main()
