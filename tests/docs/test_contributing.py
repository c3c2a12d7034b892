"""The files, folders and commands that CONTRIBUTING.md names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`([\w./-]+(?:\.py|\.md|/))`", TEXT)))
QUESTIONS = TEXT.split("## Twenty questions of a first day")[1]


@pytest.mark.parametrize("name", PATHS)
def test_every_file_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "seq2seq" / name).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_every_file_that_is_linked_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_there_are_twenty_questions_and_each_has_a_file() -> None:
    rows = re.findall(r"^\| (?!question)(.+) \| `(.+\.py)`", QUESTIONS, re.M)
    assert len(rows) == 20
    assert len({question for question, _ in rows}) == 20


def test_every_folder_of_the_package_is_described() -> None:
    for folder in (ROOT / "seq2seq").glob("*/__init__.py"):
        assert f"`{folder.parent.name}/`" in TEXT, folder.parent.name


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+) ", TEXT))))
def test_every_target_of_make_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.M)
