"""Files that pages link to exist; the README lists every page of docs/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "recipes" / "README.md",
    ROOT / "examples" / "README.md",
]
LINKS = [
    (page, link)
    for page in PAGES
    for link in re.findall(
        r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")
    )
]


@pytest.mark.parametrize(
    ("page", "link"), LINKS, ids=[f"{page.name}-{link}" for page, link in LINKS]
)
def test_every_linked_file_exists(page: Path, link: str) -> None:
    assert (page.parent / link).exists()


def test_the_ideas_table_links_each_file_by_its_name() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", text)
    assert len(links) >= 14
    for name, path in links:
        assert path == f"seq2seq/{name}".rstrip("/")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=str)
def test_the_readme_lists_every_page(page: Path) -> None:
    assert f"(docs/{page.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
