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


def test_a_missing_run_is_named_with_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "runs" / "quickstart").mkdir(parents=True)
    need = (
        "Name a folder that `seq2seq train` made, such as runs/quickstart, or one that "
        "`seq2seq export --to` made."
    )
    typed = tmp_path / "runs" / "quikstart"
    with pytest.raises(UserError) as caught:
        RunFolder(typed).read_recipe()
    assert str(caught.value) == (
        f"{typed} is missing, did you mean {tmp_path}/runs/quickstart? {need}"
    )
    with pytest.raises(UserError) as caught:
        RunFolder(tmp_path / "zzz").read_recipe()
    assert str(caught.value) == f"{tmp_path}/zzz is missing. {need}"
    (tmp_path / "in.txt").touch()
    with pytest.raises(UserError, match=r"in\.txt is a file, not a run folder"):
        RunFolder(tmp_path / "in.txt").read_recipe()
