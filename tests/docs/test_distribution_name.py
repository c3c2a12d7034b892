"""The distribution is seq2seq-recurrent; seq2seq on the package index is unrelated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("seq2seq", "docs", "recipes", "examples", "tests", ".github")
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".cff", ".html"}
TEXTS = [
    *(path for path in ROOT.iterdir() if path.suffix in SUFFIXES | {".txt"}),
    ROOT / "Makefile",
    *(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES and path != Path(__file__)
    ),
]
STRANGER = re.compile(
    r"pip3? (install|download)[^\n]*[ '\"]seq2seq(?![-\w/.])|\bseq2seq\[[a-z]"
)


def test_the_pattern_tells_the_stranger_from_the_distribution() -> None:
    for text in ("pip install seq2seq", "pip install 'seq2seq[ja]'", '"seq2seq[onnx]"'):
        assert STRANGER.search(text), text
    for text in (
        "pip install seq2seq-recurrent",
        "pip install 'seq2seq-recurrent[ja]'",
        "pip install '.[onnx]'",
        "pip install -e ./seq2seq/",
    ):
        assert not STRANGER.search(text), text


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_installs_the_strangers_package(path: Path) -> None:
    match = STRANGER.search(path.read_text(encoding="utf-8"))
    assert match is None, match


def test_pyproject_names_the_distribution_and_the_command() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '\nname = "seq2seq-recurrent"\n' in text
    assert '\nseq2seq = "seq2seq.cli:main"\n' in text
