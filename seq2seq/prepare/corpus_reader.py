"""Read a corpus: a split of a folder, in the languages that it remembers, or a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.data.corpora import open_corpus
from seq2seq.data.readers import json_rows
from seq2seq.errors import UserError
from seq2seq.prepare.columns import check_codes, order_languages
from seq2seq.prepare.corpus_writer import DATA_FILE, TextPair
from seq2seq.prepare.import_files import import_files
from seq2seq.prepare.raw_pairs import ImportOptions
from seq2seq.utils.languages import is_language
from seq2seq.utils.similar_paths import missing_error


class Corpus(NamedTuple):
    """The pairs of a split, or of a file.

    Attributes:
        languages: Source and target.
        pairs: The pairs.
        fingerprint: SHA-256 of what they were read from, in hexadecimal.
        name: What was read, as messages call it.
    """

    languages: tuple[str, str]
    pairs: list[TextPair]
    fingerprint: str
    name: str


def read_corpus(path: Path, split: str, options: ImportOptions) -> Corpus:
    """Read a split of a folder that recipes can train from, or import a file.

    Languages are those of the options, of data.json, or of the names of files and
    fields.

    Args:
        path: The folder or the file.
        split: A split of the folder.
        options: Source and target, where the user names them.

    Raises:
        UserError: If there is no such corpus, or its languages are not clear.
    """
    check_codes(options)
    if path.is_file():
        imported = import_files([path], options)
        fingerprint = next(iter(imported.files.values()))
        return Corpus(imported.languages, imported.pairs, fingerprint, str(path))
    if not path.is_dir():
        raise missing_error(path, "Name a folder of a corpus, or a file to import.")
    data = read_data_file(path)
    languages = data.get("languages") or _file_languages(path, split)
    if options.source and options.target and not data:
        languages = [options.source, options.target]
    if len(languages) < 2:
        raise UserError(
            f"{path} does not say its languages. Name them: --source en --target de"
        )
    source, target = order_languages(path, languages, options)
    corpus = open_corpus(str(path), source=source, target=target, split=split)
    documents: Iterable[str] = ()
    rows = path / f"{corpus.split}.jsonl"
    if data.get("documents") and rows.is_file():
        documents = (str(row.get("document", "")) for _, row in json_rows(rows))
    named = iter(documents)
    pairs = [(first, second, next(named, "")) for first, second in corpus.read()]
    if not pairs:
        raise UserError(f"{corpus.name} has no sentence pairs.")
    return Corpus((source, target), pairs, corpus.content, corpus.name)


def read_data_file(folder: Path) -> dict[str, Any]:
    """Return what data.json says; nothing if there is none of ours."""
    with suppress(OSError, ValueError):
        data = json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))
        languages = data.get("languages") if isinstance(data, dict) else None
        if isinstance(languages, list) and all(isinstance(x, str) for x in languages):
            return dict(data)
    return {}


def _file_languages(folder: Path, split: str) -> list[str]:
    """Return the languages in the names of a split's files, or of its first fields."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    begins = re.escape(split)
    for name in names:
        if match := re.match(rf"{begins}\.(\w+)-(\w+)\.tsv(\.\w+)?$", name):
            return [match[1], match[2]]
        if re.match(rf"{begins}(-\d.*)?\.jsonl(\.\w+)?$", name):
            row = next(json_rows(folder / name), ("", {}))[1]
            nested = row.get("translation")
            fields = nested if isinstance(nested, dict) else row
            return [field for field in fields if is_language(field)]
    matches = [
        re.match(rf"{begins}\.([\w-]+?)(\.(gz|xz|zst))?$", name) for name in names
    ]
    return [match[1] for match in matches if match and is_language(match[1])]
