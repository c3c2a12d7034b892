"""Runs of past formats load and translate as they did when they were written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from seq2seq.translate import Translator

FOLDERS = sorted(path for path in Path(__file__).parent.glob("format-*"))


def sums(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_there_are_frozen_runs() -> None:
    assert [folder.name for folder in FOLDERS] == ["format-1"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_run_of_a_past_format_translates_as_it_did(folder: Path) -> None:
    rows = (folder / "translations.tsv").read_text(encoding="utf-8").splitlines()
    sources, expected = zip(*(row.split("\t") for row in rows), strict=True)
    before = sums(folder)
    assert Translator.load(folder)(sources, beam_size=1) == list(expected)
    assert sums(folder) == before
