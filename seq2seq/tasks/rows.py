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
from seq2seq.utils.text import has_surrogate, with_noun

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
        need = "Name the folder of the splits: train takes -o data.path=FOLDER, "
        raise missing_error(folder, f"{need}evaluate --data-path FOLDER.")
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
        UserError: If a line has no two columns, is no JSON object, or names the
            columns: with its number.
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
            count = len(cells) if line.strip() else 0
            raise UserError(
                f"{origin}: {with_noun(count, 'column')} came, but two are needed, "
                f"{' and '.join(columns)}, with a tab between them."
            )
        if number == 1 and tuple(cell.strip().lower() for cell in cells) == columns:
            raise UserError(
                f"{origin}: this line names the columns, and would be an example. "
                f"Remove it: tail -n +2 {path.name} > NEW"
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
        UserError: If the row lacks it, or it is no Unicode.
    """
    value = row.values.get(column)
    if value is None or isinstance(value, list | dict):
        raise UserError(
            f"{row.origin}: no {column} came; the columns are {_names(row)}, and a "
            f"text is needed in {column!r}."
        )
    if has_surrogate(str(value)):
        raise UserError(f"{row.origin}: {column} holds half a surrogate pair; mend it.")
    return str(value)


def label_of(row: Row) -> str:
    """Return the label, without blanks around it.

    Raises:
        UserError: If the row lacks it, or it is blank.
    """
    label = text_of(row, "label").strip()
    if not label:
        raise UserError(
            f"{row.origin}: the label is blank; write one, or drop the row."
        )
    return label


def labels_of(row: Row) -> list[str]:
    """Return a label for each frame.

    Raises:
        UserError: If the row lacks them, or one is no word without blanks.
    """
    labels = row.values.get("labels")
    if not isinstance(labels, list):
        raise UserError(
            f"{row.origin}: no labels came; the columns are {_names(row)}, and a list "
            "is needed in 'labels'."
        )
    words = [text_of(Row(row.origin, {"label": label}), "label") for label in labels]
    for word in words:
        if word.split() != [word]:
            raise UserError(
                f"{row.origin}: the label {word!r} of a frame is not one word; write "
                "it without blanks."
            )
    return words


def check_alike(source: object, first: object, origin: str) -> None:
    """Check that a source is what the first one is: text or words, or frames as long.

    Raises:
        UserError: If it is not.
    """
    kinds = [
        f"frames of {with_noun(value.shape[1], 'number')}"
        if isinstance(value, np.ndarray)
        else "text"
        for value in (source, first)
    ]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"{origin}: {kinds[0]} came, but {kinds[1]} before it; make all examples "
            "alike."
        )


def _names(row: Row) -> str:
    return ", ".join(map(repr, row.values)) or "none"


def frames_of(row: Row, column: str = "frames") -> Frames:
    """Return a sequence of frames, (S, F).

    Raises:
        UserError: If they are not numbers, of unequal lengths, or not finite.
    """
    try:
        with np.errstate(over="ignore"):  # Infinity is refused below.
            frames = np.array(row.values[column], dtype=np.float32)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{row.origin}: no frames came; the columns are {_names(row)}, and "
            f"{column!r} needs a list of frames, each a list of as many numbers."
        ) from error
    if frames.ndim != 2 or 0 in frames.shape:
        raise UserError(
            f"{row.origin}: {column!r} has the shape {frames.shape}; frames are a list "
            "of lists of numbers, none of them empty."
        )
    if not np.isfinite(frames).all():
        raise UserError(f"{row.origin}: a frame holds NaN or infinity; drop it.")
    return frames
