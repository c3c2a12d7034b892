"""Paths in a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.runs.run_folder import RunFolder


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "-x", "a\0b", "a\n"])
def test_a_splits_name_cannot_lead_out_of_the_run_folder(name: str) -> None:
    with pytest.raises(UserError, match="is no name of a split"):
        RunFolder(Path("run")).evaluation(name)
