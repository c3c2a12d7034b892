"""The README's pictures are small, and its badges say what pyproject.toml does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKED = re.findall(r"!\[([^\]]+)\]\(docs/pictures/([^)]+)\)", README)


@pytest.fixture(scope="module")
def make_pictures() -> Any:
    path = ROOT / "docs" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_shown_with_a_text_and_is_small() -> None:
    assert {name for _, name in LINKED} == {path.name for path in PICTURES.iterdir()}
    assert all(path.stat().st_size < 150_000 for path in PICTURES.iterdir())


def test_the_badges_say_what_is_installed(make_pictures: Any) -> None:
    for name, text in make_pictures.badges().items():
        assert (PICTURES / name).read_text(encoding="utf-8") == text
    requires = re.search(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"',
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
    )
    assert requires is not None
    low, high = int(requires[1]), int(requires[2]) - 1
    assert f"Python: 3.{low} to 3.{high}" in (PICTURES / "python.svg").read_text(
        "utf-8"
    )
