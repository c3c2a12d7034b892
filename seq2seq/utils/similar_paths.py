"""Paths that do not exist: which is meant, and the error about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seq2seq.errors import UserError

_SIMILARITY = 75  # Percent that two names share at least: onli and only, 75.


def missing_error(path: Path, need: str) -> UserError:
    """Return the error about a path that does not exist, with one of a similar name.

    Args:
        path: The path.
        need: What to name instead, a sentence.
    """
    similar = similar_path(path, files=True)
    hint = f", did you mean {similar}?" if similar else "."
    return UserError(f"{path} is missing{hint} {need}")


def similar_path(path: Path, *, files: bool = False) -> Path | None:
    """Return an existing folder whose name is similar, if there is one.

    Of a path such as data/mutli30k, each part that does not exist is compared with the
    folders beside it.

    Args:
        path: The path.
        files: Whether the last part may be a file.
    """
    from rapidfuzz import fuzz, process

    if path.is_dir():
        return path
    parent = path.parent if path.parent == Path() else similar_path(path.parent)
    if parent is None:
        return None
    if (parent / path.name).is_dir():
        return parent / path.name
    names = sorted(_names(parent, files=files))
    match = process.extractOne(
        path.name, names, scorer=fuzz.ratio, score_cutoff=_SIMILARITY
    )
    return parent / match[0] if match else None


def _names(parent: Path, *, files: bool) -> Iterator[str]:
    try:
        yield from (path.name for path in parent.iterdir() if files or path.is_dir())
    except OSError:  # It may not be listed.
        return
