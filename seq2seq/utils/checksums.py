"""SHA-256 sums of files, in a list beside them that `sha256sum -c` can check.

Knows files; not what is in them. The sums tell damage, not malice: who can change a
file can change its sum.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file, sha256_file

LIST = "SHA256SUMS"
LIST_BYTES_AT_MOST = 1 << 16

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Sum up files of a folder, once they are complete.

    Args:
        folder: Where the list goes.
        names: The files, seen from there.
    """
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in names]
    with atomic_file(folder / LIST) as file:
        file.write("".join(lines).encode())


def require_checksums(folder: Path, names: Iterable[str]) -> None:
    """Compare files with the list.

    Raises:
        InputError: If one is missing or not what was written, or if the list is.
    """
    if fault := find_corruption(folder, names):
        raise UserError(f"{fault}. Restore it from a copy.")


def find_corruption(folder: Path, names: Iterable[str]) -> str | None:
    """Tell what is wrong with the first file that is not as listed; None if all are."""
    listed = folder / LIST
    try:
        with listed.open("rb") as file:
            text = file.read(LIST_BYTES_AT_MOST).decode()
    except (OSError, UnicodeDecodeError) as error:
        return f"{listed} cannot be read ({getattr(error, 'strerror', None) or error})"
    # Not splitlines: a flipped bit can make another line end of a line feed.
    found = [_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")]
    sums = {match[2]: match[1] for match in found if match}
    for name in names:
        if name not in sums or None in found:
            return f"{listed} is damaged"
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        if sha256_file(folder / name) != sums[name]:
            return f"{folder / name} is damaged: {listed} has another sum for it"
    return None
