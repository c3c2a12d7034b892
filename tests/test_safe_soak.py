"""The promises of docs/reliability.md, a few times each; soak/soak.py runs more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parent / "soak" / "soak.py"


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
    assert all(good == wanted for _, good, wanted in counted)
    # What was done is not done again.
    again = subprocess.run(
        [sys.executable, SOAK, tmp_path, "--few"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(lines) == sum(int(wanted) for _, _, wanted in counted)
