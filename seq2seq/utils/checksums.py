"""SHA-256 checksums of files, in a SHA256SUMS file that `sha256sum -c` can check.

They detect corruption, not tampering: who can change a file can change its checksum.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file, sha256_file

CHECKSUM_FILE = "SHA256SUMS"
MAX_LIST_BYTES = 1 << 16

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write the checksums of files in a folder, once they are complete.

    Args:
        folder: The folder of the SHA256SUMS file.
        names: Paths of the files, relative to it.
    """
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in names]
    with atomic_file(folder / CHECKSUM_FILE) as file:
        file.write("".join(lines).encode())


def require_checksums(folder: Path, names: Iterable[str]) -> None:
    """Verify files against their checksums.

    Raises:
        UserError: If one of them or the SHA256SUMS file is missing or damaged.
    """
    if damage := find_corruption(folder, names):
        raise UserError(f"{damage}. Restore it from a copy.")


def find_corruption(folder: Path, names: Iterable[str]) -> str | None:
    """Describe the first missing or damaged file; None if all match."""
    checksum_file = folder / CHECKSUM_FILE
    try:
        matches = _read_lines(checksum_file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{checksum_file} cannot be read ({reason})"
    checksums = {match[2]: match[1] for match in matches if match}
    for name in names:
        if name not in checksums or None in matches:
            return f"{checksum_file} is damaged"
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        if sha256_file(folder / name) != checksums[name]:
            return (
                f"{folder / name} is damaged: {checksum_file} has another checksum "
                "for it"
            )
    return None


def listed_names(folder: Path) -> list[str]:
    """Return the names in the SHA256SUMS file; none where it cannot be read."""
    try:
        return [match[2] for match in _read_lines(folder / CHECKSUM_FILE) if match]
    except (OSError, UnicodeDecodeError):
        return []


def _read_lines(path: Path) -> list[re.Match[str] | None]:
    with path.open("rb") as file:
        text = file.read(MAX_LIST_BYTES).decode()
    # Not splitlines: a flipped bit can make another line end of a line feed.
    matches = map(_LINE.fullmatch, text.removesuffix("\n").split("\n"))
    return [match if match and _is_inside(match[2]) else None for match in matches]


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or {*name} & {"\\", ":"})
