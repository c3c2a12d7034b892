"""The check that no command writes over what it reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from seq2seq.errors import UserError

STDIN, STDOUT = 0, 1
"""File descriptors that stand for themselves among the files of a check."""

_NAMES = {STDIN: "standard input", STDOUT: "standard output"}


def check_overwrites_no_input(
    outputs: Iterable[Path | int], inputs: Iterable[Path | int]
) -> None:
    """Check that no output is an input under the same or another name.

    Files are compared by device and inode, so hard links, symbolic links, /dev/stdin
    and what a shell has redirected count as the file behind them. Pipes and devices
    have nothing to lose. Call it before anything is opened for writing.

    Args:
        outputs: Files to write, which need not exist, or STDOUT.
        inputs: Files and folders to read, or STDIN.

    Raises:
        UserError: If one is; nothing has been written then.
    """
    files: dict[tuple[int, int], tuple[Path | int, Path | int]] = {}
    for item in inputs:
        members = [item]
        if isinstance(item, Path) and item.is_dir():
            members = [*item.rglob("*")]
        for member in members:
            if (identity := _identity(member)) is not None:
                files.setdefault(identity, (member, item))
    for output in outputs:
        identity = _identity(output)
        if identity is None or identity not in files:
            continue
        source, item = files[identity]
        relation = f"the same file as {_name(source)}, which is read"
        if (
            isinstance(output, Path)
            and isinstance(source, Path)
            and output.absolute() == source.absolute()
        ):
            owner = "" if source == item else f" in {_name(item)}"
            relation = f"an input{owner} of this command"
        emptied = ""
        if output == STDOUT:
            emptied = " (a shell's > empties a file before the command starts)"
        example = "another.txt"
        for path in (output, source):
            if isinstance(path, Path):
                example = f"{path.stem}.new{path.suffix}"
        raise UserError(
            f"{_name(output)} is {relation}: writing would destroy it{emptied}. "
            f"Write to another file, such as {example}."
        )


def check_distinct(outputs: Iterable[Path]) -> None:
    """Check that no two outputs are one file, under the same or another name.

    Args:
        outputs: Files to write, which need not exist.

    Raises:
        UserError: If two are.
    """
    files: dict[Path | tuple[int, int], Path] = {}
    for output in outputs:
        path = output.resolve()
        for key in (path, _identity(output) or path):
            if (other := files.setdefault(key, output)) is not output:
                raise UserError(
                    f"{output} and {other} are the same file, but both would be "
                    "written, NAME.partial and NAME.partial.journal among them. Name "
                    f"another file, such as {output.stem}.new{output.suffix}."
                )


def _name(file: Path | int) -> str:
    return _NAMES.get(file, "") if isinstance(file, int) else str(file)


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Return device and inode of a regular file; None for all else."""
    try:
        status = os.stat(file)  # noqa: PTH116, it may be a descriptor
    except (OSError, ValueError):
        return None
    regular = stat.S_ISREG(status.st_mode)
    return (status.st_dev, status.st_ino) if regular else None
