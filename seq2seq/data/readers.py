"""Readers of sentence pairs: parallel files, JSONL, Parquet, loaded `datasets`.

A row is {"translation": {"en": ..., "de": ...}} or flat, {"en": ..., "de": ...}, where
null is empty text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError, misaligned_error
from seq2seq.utils.files import read_lines
from seq2seq.utils.text import with_noun

ROWS_PER_READ = 1000

TextPair = tuple[str, str]
PairReader = Callable[[], Iterator[TextPair]]


def parallel_pairs(source: Path, target: Path) -> Iterator[TextPair]:
    """Read pairs from two files, line by line.

    Raises:
        UserError: At the end, if the files differ in length.
    """
    sides = read_lines(source), read_lines(target)
    for count, (first, second) in enumerate(zip_longest(*sides)):
        if first is None or second is None:
            longer = count + 1 + sum(1 for side in sides for _ in side)
            counts = (count, longer) if first is None else (longer, count)
            raise misaligned_error(
                f"{source} has {with_noun(counts[0], 'line')} but {target.name} has "
                f"{counts[1]:,}"
            )
        yield first, second


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read a JSONL file, one object per line, in constant memory.

    Yields:
        File and line, and the object.

    Raises:
        UserError: If a line is no object; the message names file and line.
    """
    for number, line in enumerate(read_lines(path), 1):
        origin = f"{path}:{number}"
        yield origin, json_row(line, origin)


def json_row(line: str, origin: str) -> dict[str, Any]:
    """Read a line of JSONL.

    Raises:
        UserError: If it is no object.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{origin}: this is not JSON: {error}. Every line of a JSONL file must be "
            "one object."
        ) from error
    if not isinstance(row, dict):
        raise UserError(
            f"{origin}: this is not a JSON object. Every line of a JSONL file must be "
            "one object."
        )
    return row


def json_pairs(paths: Sequence[Path], languages: tuple[str, str]) -> Iterator[TextPair]:
    """Read pairs from JSONL files, as `json_rows`.

    Raises:
        UserError: If a line lacks a language; the message names file and line.
    """
    for path in paths:
        for origin, row in json_rows(path):
            nested = row.get("translation")
            texts = nested if isinstance(nested, dict) else row
            _check_columns(texts, languages, origin)
            source, target = (_text(texts[language], origin) for language in languages)
            yield source, target


def parquet_pairs(
    paths: Sequence[Path], languages: tuple[str, str]
) -> Iterator[TextPair]:
    """Read pairs from Parquet files, ROWS_PER_READ rows at a time.

    Raises:
        UserError: If a file is damaged or lacks the columns.
    """
    import pyarrow
    from pyarrow import parquet

    for path in paths:
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                nested: list[str] = []
                if "translation" in schema.names:
                    column_type = schema.field("translation").type
                    if pyarrow.types.is_struct(column_type):
                        nested = [field.name for field in column_type]
                columns = _select_columns(schema.names, nested, languages, str(path))
                for batch in file.iter_batches(ROWS_PER_READ, columns=columns):
                    yield from _batch_pairs(batch.to_pydict(), languages, str(path))
        except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} is not a sound Parquet file: {one_line(error)}. Make or "
                "fetch it again."
            ) from error


def dataset_pairs(
    dataset: Any, languages: tuple[str, str], name: str
) -> Iterator[TextPair]:
    """Read pairs from a datasets.Dataset, ROWS_PER_READ rows at a time.

    Raises:
        UserError: If it lacks the columns.
    """
    if dataset.features is None:  # A stream infers them from its first rows.
        dataset = dataset._resolve_features()
    feature = dataset.features.get("translation")
    # A Translation feature lists its languages, a plain struct is a mapping of them.
    feature = getattr(feature, "languages", feature)
    nested = list(feature) if isinstance(feature, (Mapping, list, tuple)) else []
    columns = _select_columns(dataset.column_names, nested, languages, name)
    for batch in dataset.select_columns(columns).iter(batch_size=ROWS_PER_READ):
        yield from _batch_pairs(batch, languages, name)


def _select_columns(
    columns: Sequence[str], nested: Sequence[str], languages: tuple[str, str], name: str
) -> list[str]:
    """Return the column of nested translations, or the column of each language."""
    if nested:
        _check_columns(nested, languages, name)
        return ["translation"]
    _check_columns(columns, languages, name)
    return list(languages)


def _check_columns(
    columns: Collection[str], languages: tuple[str, str], name: str
) -> None:
    missing = [language for language in languages if language not in columns]
    if missing:
        raise UserError(
            f"{name} has no column {' and no column '.join(map(repr, missing))}; the "
            f"columns are {', '.join(map(repr, columns)) or 'none'}. Rows need one for "
            "each of data.source and data.target, by itself or within 'translation'."
        )


def _batch_pairs(
    batch: Mapping[str, list[Any]], languages: tuple[str, str], name: str
) -> Iterator[TextPair]:
    first, second = languages
    if "translation" in batch:
        rows = [row or {} for row in batch["translation"]]
        sides = [row.get(first) for row in rows], [row.get(second) for row in rows]
    else:
        sides = batch[first], batch[second]
    for source, target in zip(*sides, strict=True):
        yield _text(source, name), _text(target, name)


def _text(value: object, origin: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{origin}: {value!r:.40} is not text. A language's column must hold text."
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{origin}: U+{ord(value[error.start]):04X} is half a surrogate pair, "
            "which UTF-8 cannot hold. Remove it."
        ) from error
    return value


def one_line(error: BaseException) -> str:
    """Return the message in one line, without its final full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removesuffix(".")
