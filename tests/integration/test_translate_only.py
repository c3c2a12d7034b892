"""requirements-translate.txt is what translating needs, and no more is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (ROOT / "requirements-translate.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
HEAVY = {"lightning", "datasets", "pandas", "matplotlib", "sacrebleu", "pyarrow"}

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
blocked = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Block())
from seq2seq.cli import main
main()
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(lines: list[str]) -> set[str]:
    """Distributions that an installation of requirements brings here."""
    names: set[str] = set()
    remaining = [Requirement(line) for line in lines]
    while remaining:
        name = normalised(remaining.pop().name)
        if name in names:
            continue
        try:
            more = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # Of another platform or torch's CUDA build.
            continue
        names.add(name)
        remaining += [
            requirement
            for requirement in more
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return names


@pytest.fixture(scope="module")
def blocked() -> str:
    """Every module that the list does not install, joined by commas."""
    installed = closure(LINES) | {"seq2seq-recurrent"}
    return ",".join(
        module
        for module, names in packages_distributions().items()
        if module != "seq2seq" and not {normalised(n) for n in names} & installed
    )


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
