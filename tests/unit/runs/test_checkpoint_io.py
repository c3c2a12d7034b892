"""Damaged, hostile and partly written checkpoints: a valid one always remains."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.runs.checkpoint_io import (
    AtomicCheckpointIO,
    _HashingWriter,
    latest_valid_checkpoint,
)
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.runs.run_folder import RunFolder


def state(step: int) -> dict[str, Any]:
    return {
        "state_dict": {"network.weight": torch.full((50,), float(step))},
        "global_step": step,
        "callbacks": {},
        "loops": {},
        "lr_schedulers": [],
        "optimizer_states": [],
        "pytorch-lightning_version": "2.6.6",
    }


class Checkpoints:
    def __init__(self, folder: Path) -> None:
        run = RunFolder(folder)
        self.last, self.previous = run.last, run.previous
        self.io = AtomicCheckpointIO({self.last: self.previous})

    def save(self, step: int) -> None:
        self.io.save_checkpoint(state(step), self.last)

    def steps(self) -> list[int]:
        return [read_checkpoint(path)["global_step"] for path in self.paths]

    @property
    def paths(self) -> tuple[Path, Path]:
        return self.last, self.previous

    def names(self) -> list[str]:
        return sorted(path.name for path in self.last.parent.iterdir())


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def test_the_checkpoint_before_the_newest_is_kept(checkpoints: Checkpoints) -> None:
    for step in (1, 2, 3):
        checkpoints.save(step)
    assert checkpoints.steps() == [3, 2]
    assert checkpoints.names() == ["last.ckpt", "previous.ckpt"]


def test_a_save_that_broke_off_between_its_renames_leaves_nothing_behind(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.save(1)
    checkpoints.previous.hardlink_to(checkpoints.last)  # Two names of one file.
    checkpoints.save(2)
    assert checkpoints.steps() == [2, 1]
    assert checkpoints.names() == ["last.ckpt", "previous.ckpt"]


def test_the_previous_one_is_kept_where_there_are_no_hard_links(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2, 3):
        checkpoints.save(step)
    assert checkpoints.steps() == [3, 2]
    assert checkpoints.names() == ["last.ckpt", "previous.ckpt"]


def test_torch_and_any_zip_reader_still_read_a_checkpoint(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.save(7)
    plain = torch.load(checkpoints.last, weights_only=True)
    assert plain["global_step"] == 7
    with zipfile.ZipFile(checkpoints.last) as parts:
        assert parts.comment.startswith(b"seq2seq sha256 ")
        assert parts.testzip() is None


def test_a_flipped_bit_anywhere_is_refused(checkpoints: Checkpoints) -> None:
    checkpoints.save(1)
    content = checkpoints.last.read_bytes()
    size = len(content)
    near_the_end = range(size - 120, size)
    for position in (*range(0, size, size // 80), *near_the_end):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        checkpoints.last.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged or no checkpoint of ours"):
            read_checkpoint(checkpoints.last)


def test_a_checkpoint_from_before_there_were_checksums_is_checked_by_its_crcs(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.last.parent.mkdir(parents=True)
    torch.save(state(4), checkpoints.last)
    assert read_checkpoint(checkpoints.last)["global_step"] == 4
    content = bytearray(checkpoints.last.read_bytes())
    content[content.index(torch.full((50,), 4.0).numpy().tobytes()) + 9] ^= 1
    checkpoints.last.write_bytes(content)
    with pytest.raises(UserError, match="CRC-32"):
        read_checkpoint(checkpoints.last)


def test_what_unpacks_to_more_than_it_is_is_refused(checkpoints: Checkpoints) -> None:
    checkpoints.last.parent.mkdir(parents=True)
    with zipfile.ZipFile(checkpoints.last, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(UserError, match="compressed"):
        read_checkpoint(checkpoints.last)


@pytest.mark.parametrize("weights", [None, [], {"a": 1}, {1: torch.ones(1)}, {"a": {}}])
def test_what_holds_no_weights_is_refused(
    checkpoints: Checkpoints, weights: Any
) -> None:
    checkpoints.io.save_checkpoint({"state_dict": weights}, checkpoints.last)
    with pytest.raises(UserError, match="holds no weights"):
        read_checkpoint(checkpoints.last)


def test_a_damaged_newest_state_gives_way_to_the_one_before(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.save(1)
    checkpoints.save(2)
    checkpoints.last.write_bytes(checkpoints.last.read_bytes()[:-500])
    messages: list[str] = []
    assert (
        latest_valid_checkpoint(checkpoints.paths, messages.append)
        == checkpoints.previous
    )
    [line] = messages
    assert "last.ckpt is damaged" in line
    assert line.endswith(f"Going back to {checkpoints.previous}.")


def test_a_missing_newest_state_gives_way_too(checkpoints: Checkpoints) -> None:
    checkpoints.save(1)
    checkpoints.save(2)
    checkpoints.last.unlink()
    assert latest_valid_checkpoint(checkpoints.paths, print) == checkpoints.previous
    checkpoints.previous.unlink()
    assert latest_valid_checkpoint(checkpoints.paths, print) is None


def test_training_does_not_start_over_where_every_state_is_damaged(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.save(1)
    checkpoints.save(2)
    checkpoints.last.write_bytes(b"")
    checkpoints.io.save_checkpoint(
        {"state_dict": {}}, checkpoints.previous
    )  # Weights alone.
    with pytest.raises(UserError, match="No state is left to continue from") as error:
        latest_valid_checkpoint(checkpoints.paths, print)
    assert "previous.ckpt is no training state (callbacks is missing)" in str(
        error.value
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("at", [1, 3, 9, 20])
def test_a_disk_that_fails_amid_a_save_loses_nothing(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, number: int, at: int
) -> None:
    checkpoints.save(1)
    checkpoints.save(2)
    write, calls = _HashingWriter.write, [0]

    def fail(self: _HashingWriter, data: Any) -> int:
        calls[0] += 1
        if calls[0] == at:
            raise OSError(number, os.strerror(number))
        return write(self, data)

    monkeypatch.setattr(_HashingWriter, "write", fail)
    with pytest.raises(UserError, match=r"last\.ckpt cannot be written: "):
        checkpoints.save(3)
    assert calls[0] >= at
    assert checkpoints.steps() == [2, 1]
    assert checkpoints.names() == ["last.ckpt", "previous.ckpt"]
