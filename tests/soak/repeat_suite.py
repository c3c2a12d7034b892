"""Run the test suite again and again beside programs that keep the processors busy.

    python tests/soak/repeat_suite.py --rounds 10
    python tests/soak/repeat_suite.py --rounds 30 --busy 4 tests/unit/translate -n 0

Prints a line for each round, and the tests that failed. Each round has another order of
hashes. The exit status is 1 if a round failed. Options of pytest follow those above;
`-n 2` is the default.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

BUSY = [sys.executable, "-c", "while True: pass"]


def main() -> int:
    """Start the busy programs, run the rounds, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--busy", type=int, default=2, help="busy programs")
    arguments, more = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest", *(more or ["-n", "2"])]
    root = Path(__file__).resolve().parents[2]
    failures = 0
    busy = [subprocess.Popen(BUSY) for _ in range(arguments.busy)]
    try:
        for number in range(1, arguments.rounds + 1):
            done = subprocess.run(
                command,
                cwd=root,
                env={**os.environ, "PYTHONHASHSEED": str(number)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            lines = done.stdout.splitlines() or [""]
            failures += done.returncode != 0
            print(f"{number} of {arguments.rounds}: {lines[-1]}", flush=True)
            if done.returncode:
                failed = [
                    line for line in lines if line.startswith(("FAILED", "ERROR"))
                ]
                print(*(failed or lines[-30:]), sep="\n", flush=True)
    finally:
        for process in busy:
            process.kill()
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
