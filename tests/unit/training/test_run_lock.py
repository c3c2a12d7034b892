"""One training run at a time in a run folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from seq2seq.errors import UserError
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training.resume import run_lock


def test_a_run_folder_has_one_training_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    stray = tmp_path / ".seq2seq-0123456789abcdef.tmp"
    stray.write_bytes(b"left by a killed run")
    with run_lock(run):
        assert not stray.exists()
        other = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from filelock import FileLock, Timeout\n"
                "try: FileLock(sys.argv[1], timeout=0).acquire()\n"
                "except Timeout: sys.exit(7)",
                str(tmp_path / ".lock"),
            ],
            check=False,
        )
        assert other.returncode == 7
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match="another training writes to"),
        run_lock(run),
    ):
        pass
    with run_lock(run):
        pass


def test_the_lock_of_a_killed_training_is_free(tmp_path: Path) -> None:
    code = "import os, sys; from filelock import FileLock; "
    code += "FileLock(sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / ".lock")], check=False
    )
    assert killed.returncode == -9
    with run_lock(RunFolder(tmp_path)):
        pass
