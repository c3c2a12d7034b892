"""docs/design.md describes the package as it is: its files and its layers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_structure import LAYERS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
TABLE = TEXT.split("## The house")[1].split("The shipped recipes")[0]


def test_the_layers_are_those_that_the_structure_test_enforces() -> None:
    block = re.search(r"import each other\.\n\n((?:    .+\n)+)", TEXT)
    assert block is not None
    assert [line.strip().split(" | ") for line in block[1].splitlines()] == LAYERS


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+/[\w/]+\.py)`", TEXT))))
def test_every_file_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).is_file() or (ROOT / "seq2seq" / name).is_file()


def described(path: Path) -> bool:
    """Whether the table names a file, or the row of its folder covers it."""
    name = path.relative_to(ROOT / "seq2seq").as_posix()
    folder = f"`{name.rpartition('/')[0]}/`"
    rows = [row for row in TABLE.splitlines() if f"`{name}`" in row]
    if name in ("__init__.py", "__main__.py") or rows:
        return True
    whole = [row for row in TABLE.splitlines() if row.startswith(f"| {folder}")]
    whole += [row for row in TABLE.splitlines() if row.startswith(f"| **{folder}**")]
    return any(row.split("|")[2].strip() for row in whole)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((ROOT / "seq2seq").rglob("*.py"))
        if path.name != "__init__.py"
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_file_is_described(path: Path) -> None:
    assert described(path)
