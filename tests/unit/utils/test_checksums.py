"""Checksums detect every kind of corruption."""

from __future__ import annotations

import subprocess
from pathlib import Path

from seq2seq.utils.checksums import (
    CHECKSUM_FILE,
    find_corruption,
    require_checksums,
    write_checksums,
)


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"two")
    write_checksums(tmp_path, ["a", "b/c"])
    require_checksums(tmp_path, ["a", "b/c"])
    done = subprocess.run(
        ["sha256sum", "-c", CHECKSUM_FILE],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"a: OK\nb/c: OK\n"


def test_every_flipped_bit_of_the_checksum_file_is_detected(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    write_checksums(tmp_path, ["a"])
    content = (tmp_path / CHECKSUM_FILE).read_bytes()
    for bit in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / CHECKSUM_FILE).write_bytes(damaged)
        assert find_corruption(tmp_path, ["a"]), bit
