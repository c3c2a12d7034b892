"""Write a folder of splits as JSONL, with its languages: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import seq2seq
from seq2seq.errors import UserError
from seq2seq.utils.files import replaced_folder, sha256_file, write_lines

DATA_FILE = "data.json"
"""Languages, counts, checksums and origin of a corpus in a folder."""

TextPair = tuple[str, str, str]
"""Source, target, and the document that they are from or nothing."""


def write_corpus(
    folder: Path,
    languages: tuple[str, str],
    splits: Mapping[str, Sequence[TextPair]],
    *,
    origin: Mapping[str, Any],
    tables: Mapping[str, Iterable[Sequence[str]]] | None = None,
) -> None:
    """Write SPLIT.jsonl of each split, and data.json, to a new folder.

    Args:
        folder: The folder, which must not exist.
        languages: Names of the fields of source and target.
        splits: The pairs of each split.
        origin: What the corpus was made of, for data.json.
        tables: Further TSV files by name, as rows; the first names the columns.

    Raises:
        UserError: If the folder is there, or cannot be written.
    """
    check_new(folder)
    counts, sums = {}, {}
    documents = any(pair[2] for pairs in splits.values() for pair in pairs)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}.") from error
    with replaced_folder(folder) as temporary:
        for split, pairs in splits.items():
            path = temporary / f"{split}.jsonl"
            counts[split] = write_lines(path, _json_lines(languages, pairs))
            sums[split] = sha256_file(path)
        for name, rows in (tables or {}).items():
            write_lines(temporary / name, ("\t".join(map(_cell, r)) for r in rows))
        data = {
            "languages": list(languages),
            "pairs": counts,
            "sha256": sums,
            "documents": documents,
            **origin,
            "seq2seq_version": seq2seq.__version__,
        }
        text = json.dumps(data, ensure_ascii=False, indent=1)
        write_lines(temporary / DATA_FILE, text.split("\n"))


def check_new(folder: Path) -> None:
    """Refuse to write over what is there.

    Raises:
        UserError: If the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already. Name another folder.")


def _json_lines(languages: tuple[str, str], pairs: Iterable[TextPair]) -> Iterable[str]:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    source, target = languages
    for first, second, document in pairs:
        row = {source: first, target: second}
        if document:
            row["document"] = document
        yield encode(row)


def _cell(text: str) -> str:
    """Return text for a cell of TSV; half a surrogate pair, as in left_out.tsv, is ?"""
    return " ".join(text.split()).encode("utf-8", "replace").decode()
