"""Bounds of ZIP archives, against bombs; XLSX files are such archives too."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from seq2seq.errors import UserError

MAX_BYTES = 8 << 30
MAX_RATIO = 200
"""Bounds of an archive, unpacked: bytes, and bytes for each that is packed. Deflate
reaches 1,032; text 3 to 5, and sheets of one repeated cell 50."""

_MIB = 1 << 20


def check_archive(path: Path | str, data: bytes | None = None) -> list[zipfile.ZipInfo]:
    """Return the members of an archive that is sound and no bomb.

    What a member unpacks to is never longer than its entry says, since `zipfile` stops
    there.

    Args:
        path: The file.
        data: Its bytes, if they were read.

    Raises:
        UserError: If it is neither.
    """
    packed = Path(path).stat().st_size if data is None else len(data)
    try:
        with zipfile.ZipFile(path if data is None else io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(
            f"{path} is no sound archive: {error}. Fetch it again, or save it anew, "
            "without a password."
        ) from error
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES or total > 10 * _MIB + MAX_RATIO * packed:
        raise UserError(
            f"{path} would unpack to {total // _MIB:,} MiB from {packed // 1024:,} "
            f"KiB, more than {MAX_RATIO} times as much or {MAX_BYTES >> 30} GiB. If "
            "you trust it, unpack it, and import the files."
        )
    if any(member.flag_bits & 1 for member in members):
        raise UserError(f"{path} is protected by a password. Unpack it first.")
    return members
