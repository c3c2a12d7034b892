"""The promises of docs/reliability.md, a few times each; soak/soak.py runs more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.runs import make_run

SOAK = Path(__file__).resolve().parent / "soak.py"


@pytest.mark.slow
def test_every_promise_is_kept_a_few_times(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SOAK, tmp_path, "--few"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.findall(r"^(\w+) +(\d+) of (\d+) ", done.stdout, re.M)
    assert len(counted) == 14
    assert all(good == expected for _, good, expected in counted)
    # What was done is not done again.
    again = subprocess.run(
        [sys.executable, SOAK, tmp_path, "--few"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(lines) == sum(int(expected) for _, _, expected in counted)


def test_lines_by_the_thousand_pass_a_pipe_and_survive_a_kill(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    lines = ["--lines", "4000"]
    done = subprocess.run(
        [sys.executable, SOAK.with_name("million.py"), run, tmp_path / "soak", *lines],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["lines_out"] == 4000
    assert 2000 <= figures["killed_at_line"] < 4000
