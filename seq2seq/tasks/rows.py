"""Rows with named columns: SPLIT.tsv, SPLIT.jsonl or SPLIT.parquet in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.data.folders import find_text_file
from seq2seq.data.readers import json_rows, one_line
from seq2seq.errors import UserError
from seq2seq.utils.files import read_lines
from seq2seq.utils.similar_paths import missing_error

Frames = NDArray[np.float32]


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        origin: File and line, or file and row.
        values: Its values by column.
    """

    origin: str
    values: dict[str, Any]


def find_split_file(folder: Path, split: str, endings: Sequence[str]) -> Path:
    """Return the one file of a folder that is a split.

    Args:
        folder: The folder.
        split: Name of the split.
        endings: What the name may end with, such as .tsv; .gz may follow.

    Raises:
        UserError: If there is no such file, or several.
    """
    if not folder.is_dir():
        raise missing_error(folder, "data.path names a folder with the splits.")
    candidates = (find_text_file(folder, f"{split}{end}") for end in endings)
    paths = [path for path in candidates if path]
    if len(paths) == 1:
        return paths[0]
    if paths:
        shown = " and ".join(path.name for path in paths)
        raise UserError(f"{folder} has {shown}: which is it? Remove all but one.")
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise UserError(
        f"{folder} has no split {split!r}: it needs {split}"
        f"{f' or {split}'.join(endings)}, and it has {there}. Name its splits, such as "
        "-o data.splits.valid=dev."
    )


def read_rows(path: Path, columns: tuple[str, str]) -> Iterator[Row]:
    """Read rows of TSV (two columns), JSONL or Parquet.

    Args:
        path: The file.
        columns: Names of the columns of TSV, in this order.

    Raises:
        UserError: If a line has no two columns, or is no JSON object: with its number.
    """
    if ".parquet" in path.suffixes:
        yield from _parquet_rows(path)
        return
    if ".tsv" not in path.suffixes:
        for origin, values in json_rows(path):
            yield Row(origin, values)
        return
    for number, line in enumerate(read_lines(path), 1):
        origin, cells = f"{path}:{number}", line.split("\t")
        if len(cells) != 2:
            raise UserError(
                f"{origin}: {len(cells)} columns came, but two are needed, "
                f"{' and '.join(columns)}, with a tab between them."
            )
        yield Row(origin, dict(zip(columns, cells, strict=True)))


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(1000):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}, row {number}", values)
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is not a sound Parquet file: {one_line(error)}. Make or fetch it "
            "again."
        ) from error


def text_of(row: Row, column: str) -> str:
    """Return a value that is text, or a number or truth value as text.

    Raises:
        UserError: If the row lacks it.
    """
    value = row.values.get(column)
    if value is None or isinstance(value, list | dict):
        have = ", ".join(map(repr, row.values)) or "none"
        raise UserError(
            f"{row.origin}: no {column} came; the columns are {have}, and a text is "
            f"needed in {column!r}."
        )
    return str(value)


def frames_of(row: Row, column: str = "frames") -> Frames:
    """Return a sequence of frames, (S, F).

    Raises:
        UserError: If they are not numbers, of unequal lengths, or not finite.
    """
    try:
        frames = np.array(row.values[column], dtype=np.float32)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{row.origin}: no frames came; {column!r} needs a list of frames, each a "
            "list of as many numbers."
        ) from error
    if frames.ndim != 2 or 0 in frames.shape:
        raise UserError(
            f"{row.origin}: {column!r} has the shape {frames.shape}; frames are a list "
            "of lists of numbers, none of them empty."
        )
    if not np.isfinite(frames).all():
        raise UserError(f"{row.origin}: a frame holds NaN or infinity; drop it.")
    return frames
