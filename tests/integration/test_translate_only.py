"""requirements-translate.txt is what translating needs, and no more is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.installed import BLOCKER, other_modules

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (ROOT / "requirements-translate.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
HEAVY = {"lightning", "datasets", "pandas", "matplotlib", "sacrebleu", "pyarrow"}

BLOCKED = f"""
import sys
blocked = set(sys.argv.pop(1).split(","))
{BLOCKER}
from seq2seq.cli import main
main()
"""


@pytest.fixture(scope="module")
def blocked() -> str:
    """Every module that the list does not install, joined by commas."""
    return ",".join(other_modules(LINES))


def run(blocked: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, blocked, *arguments],
        input="The old man buys a red car.\n",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_each_requirement_is_one_of_the_packages() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in LINES:
        assert f'"{line}",' in pyproject, line


def test_the_heavy_packages_are_left_out(blocked: str) -> None:
    assert set(blocked.split(",")) >= HEAVY


def test_translating_imports_nothing_else(blocked: str, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    options = ["--n-best", "2", "--sentences", "split", "--output", str(output)]
    done = run(blocked, "translate", "demo", *options)
    assert done.returncode == 0, done.stderr
    assert '"Der alte Mann kauft ein rotes Auto."' in output.read_text("utf-8")
    assert "missing" in run(blocked, "translate", "dmeo").stderr


def test_a_command_that_needs_more_says_what_in_one_line(blocked: str) -> None:
    done = run(blocked, "train", "quickstart")
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: this command needs \w+, which .* pip install seq2seq-recurrent\n",
        done.stderr,
    )
