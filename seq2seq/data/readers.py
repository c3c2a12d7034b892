"""Rows with named columns: JSONL, Parquet, and datasets that are ready to be read.

Knows rows and columns; not where files or datasets come from, nor what becomes of the
pairs. A row is {"translation": {"en": ..., "de": ...}} or flat,
{"en": ..., "de": ...}; a text that is null counts as empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.utils.files import read_lines

ROWS_PER_READ = 1000


def json_pairs(
    paths: Sequence[Path], languages: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """Read pairs from JSONL files, one object a line, in constant memory.

    Raises:
        InputError: If a line is not such an object; the message has file and line.
    """
    for path in paths:
        for number, line in enumerate(read_lines(path), 1):
            where = f"{path}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{where}: this is not JSON: {error}. Every line of a JSONL file "
                    "must be one object."
                ) from error
            if not isinstance(row, dict):
                raise UserError(
                    f"{where}: this is not a JSON object. Every line of a JSONL file "
                    "must be one object."
                )
            if isinstance(nested := row.get("translation"), dict):
                row = nested
            _demand_columns(row, languages, where)
            source, target = (_text(row[language], where) for language in languages)
            yield source, target


def parquet_pairs(
    paths: Sequence[Path], languages: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """Read pairs from Parquet files, some rows at a time.

    Raises:
        InputError: If a file is damaged or lacks the columns.
    """
    import pyarrow
    from pyarrow import parquet

    for path in paths:
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                columns = _columns(
                    schema.names,
                    [field.name for field in schema.field("translation").type]
                    if "translation" in schema.names
                    and pyarrow.types.is_struct(schema.field("translation").type)
                    else [],
                    languages,
                    str(path),
                )
                for batch in file.iter_batches(ROWS_PER_READ, columns=columns):
                    yield from _batch_pairs(batch.to_pydict(), languages, str(path))
        except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} is not a sound Parquet file: {one_line(error)}. Make or "
                "fetch it again."
            ) from error


def dataset_pairs(
    dataset: Any, languages: tuple[str, str], name: str
) -> Iterator[tuple[str, str]]:
    """Read pairs from a datasets.Dataset, some rows at a time.

    Raises:
        InputError: If it lacks the columns.
    """
    if dataset.features is None:  # A stream learns of them from its first rows.
        dataset = dataset._resolve_features()
    nested = dataset.features.get("translation")
    # A Translation feature lists its languages, a plain struct is a mapping of them.
    nested = getattr(nested, "languages", nested)
    inner = list(nested) if isinstance(nested, (Mapping, list, tuple)) else []
    columns = _columns(dataset.column_names, inner, languages, name)
    for batch in dataset.select_columns(columns).iter(batch_size=ROWS_PER_READ):
        yield from _batch_pairs(batch, languages, name)


def _columns(
    outer: Sequence[str], inner: Sequence[str], languages: tuple[str, str], name: str
) -> list[str]:
    """Choose what to read: the nested translations, or a column for each language."""
    if inner:
        _demand_columns(inner, languages, name)
        return ["translation"]
    _demand_columns(outer, languages, name)
    return list(languages)


def _demand_columns(
    columns: Iterable[str], languages: tuple[str, str], name: str
) -> None:
    found = list(columns)
    missing = [language for language in languages if language not in found]
    if missing:
        raise UserError(
            f"{name} has no column {' and no column '.join(map(repr, missing))}; the "
            f"columns are {', '.join(map(repr, found)) or 'none'}. Rows need one for "
            "each of data.source and data.target, by itself or within 'translation'."
        )


def _batch_pairs(
    batch: Mapping[str, list[Any]], languages: tuple[str, str], name: str
) -> Iterator[tuple[str, str]]:
    first, second = languages
    if "translation" in batch:
        rows = [row or {} for row in batch["translation"]]
        sides = [row.get(first) for row in rows], [row.get(second) for row in rows]
    else:
        sides = batch[first], batch[second]
    for source, target in zip(*sides, strict=True):
        yield _text(source, name), _text(target, name)


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{where}: {value!r:.40} is not text. A language's column must hold text."
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}: U+{ord(value[error.start]):04X} is half a surrogate pair, which "
            "UTF-8 cannot hold. Remove it."
        ) from error
    return value


def one_line(error: BaseException) -> str:
    """Join a message's lines; without its final full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removesuffix(".")
