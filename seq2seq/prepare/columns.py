"""Which columns of a table are the sentences, and in which languages.

A column's name says it, in one of a dozen languages or as a code; else its text does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.prepare.raw_pairs import ImportOptions
from seq2seq.utils.language_guess import guess_language
from seq2seq.utils.languages import is_language, language_of_name, primary_subtag

# Names of columns beside those of languages, in lower case.
_SOURCES = frozenset(
    ("source", "src", "original", "quelle", "quelltext", "fuente", "origen")
)
_TARGETS = frozenset(
    ("target", "tgt", "trg", "translation", "ziel", "zieltext", "übersetzung", "cible")
)
_DOCUMENTS = frozenset(
    (
        "document",
        "doc",
        "document_id",
        "docid",
        "file",
        "filename",
        "chapter",
        "article",
    )
)
_DOCUMENTS |= {"dokument", "datei", "kapitel", "artikel", "fichier", "chapitre"}
_REMARKS = frozenset(
    ("id", "nr", "no", "number", "nummer", "index", "note", "notes", "remark", "author")
)
_REMARKS |= {"comment", "comments", "date", "bemerkung", "bemerkungen", "kommentar"}
_TEXTS = frozenset(("sentence", "text", "satz"))
_USUAL = _SOURCES | _TARGETS | _DOCUMENTS | _REMARKS | _TEXTS
_LONGEST_NAME = 40
_LEAST_TEXT = 0.5  # Of a column's rows that have letters, in a column of sentences.
_LEAST_DIFFERENT = 0.3  # Of those that are different; few names fill other columns.


class Choice(NamedTuple):
    """The columns of a table.

    Attributes:
        header: Whether the first row names them.
        source: Index of the column of source sentences.
        target: Index of that of target sentences.
        document: Index of that of documents, or None.
        languages: Source and target.
        note: Which they are and why, for the user.
    """

    header: bool
    source: int
    target: int
    document: int | None
    languages: tuple[str, str]
    note: str


def choose_columns(
    path: Path, rows: Sequence[Sequence[str]], options: ImportOptions
) -> Choice:
    """Choose the columns of sentences.

    Args:
        path: The file.
        rows: The first rows of the table.
        options: What the user says.

    Raises:
        UserError: If the choice or a language is not clear.
    """
    names = [cell.strip() for cell in rows[0]]
    header = options.header
    if header is None:
        header = _is_header(names) or _names_columns(names, options)
    body = rows[1:] if header else rows
    if not body:
        raise UserError(f"{path} has a header, but no rows of sentences below it.")
    known = known_languages(names) if header else {}
    textual = [i for i in range(max(map(len, rows))) if _is_text(_column(body, i))]
    columns, reason = _sentences(path, names, known, textual, options, header)
    if options.columns is None and (options.source or options.target):
        ends = [known.get(i) or guess_language(_column(body, i)) for i in columns]
        wanted = (options.target, options.source)
        if any(e and w and _same(e, w) for e, w in zip(ends, wanted, strict=True)):
            columns = columns[::-1]
    languages = _languages(path, columns, known, body, options)
    document = _document(path, names if header else [], options)
    shown = [_shown(names, i, header) for i in columns]
    how = []
    for i, language in zip(columns, languages, strict=True):
        given = options.source if i == columns[0] else options.target
        why = "as given" if given else "by its name" if i in known else "by its words"
        how.append(f"{language} {why}")
    note = (
        f"{shown[0]} is the source ({how[0]}), {shown[1]} the target ({how[1]}): "
        f"{reason}; row 1 {'names the columns' if header else 'is a pair'}"
    )
    return Choice(header, *columns, document, languages, note)


def known_languages(names: Sequence[str]) -> dict[int, str]:
    """Return the language that each column's name says, where it says one."""
    languages = {i: _language_of(name) for i, name in enumerate(names)}
    return {i: language for i, language in languages.items() if language}


def order_languages(
    path: Path, languages: Sequence[str], options: ImportOptions
) -> tuple[str, str]:
    """Return source and target of the languages that a file has.

    Raises:
        UserError: If it lacks one that the user named, or it is not clear which two.
    """
    wanted = [options.source, options.target]
    chosen: list[str | None] = []
    for code in wanted:
        match = [have for have in languages if code and _same(have, code)]
        if code and not match:
            raise UserError(
                f"{path} has no language {code}: it has {', '.join(languages)}."
            )
        chosen.append(match[0] if match else None)
    rest = [language for language in languages if language not in chosen]
    free = chosen.count(None)
    if len(rest) != free and free:
        shown = ", ".join(languages)
        example = [*languages, "en", "de"][:2]
        raise UserError(
            f"{path} has the languages {shown}; two are needed: --source {example[0]} "
            f"--target {example[1]}, for example."
        )
    first, second = (language or rest.pop(0) for language in chosen)
    return first, second


def check_codes(options: ImportOptions) -> None:
    """Check --source and --target.

    Raises:
        UserError: If one is no code of a language, or both are the same.
    """
    for name, code in (("--source", options.source), ("--target", options.target)):
        if code is None or is_language(code):
            continue
        if meant := language_of_name(code):
            raise UserError(f"{name} {code}: give the code, {name} {meant}")
        raise UserError(
            f"{name} {code}: ISO 639 has no such code. Give one such as de; a language "
            f"without a code is x-NAME, such as {name} x-mine."
        )
    if options.source is not None and options.source == options.target:
        raise UserError(f"--source and --target are both {options.source}.")


def _same(first: str, second: str) -> bool:
    return primary_subtag(first) == primary_subtag(second)


def _language_of(name: str) -> str | None:
    """Return the language in a column's name: Englisch, Text (en), target_de, en-GB."""
    if not name or len(name) > _LONGEST_NAME:
        return None
    if code := language_of_name(name):
        return code
    if re.fullmatch(r"[a-zA-Z]{2,3}([-_][A-Za-z]{2,4})?", name) and is_language(name):
        return primary_subtag(name)
    words = re.findall(r"[^\W\d_]+", name)
    named = {code for w in words if len(w) > 3 and (code := language_of_name(w))}
    bracketed = re.search(r"(?:[(\[_. -])([a-z]{2,3})[)\]]?$", name.lower())
    if not named and bracketed and is_language(bracketed[1]):
        named = {bracketed[1]}
    # "Translated from English to German" says nothing clear.
    return named.pop() if len(named) == 1 else None


def _plain(name: str) -> str:
    return name.casefold().rstrip(".:")


def _is_header(names: Sequence[str]) -> bool:
    """Return whether a row names columns: a language in full, or two usual names."""
    filled = [name for name in names if name]
    if not filled or any(len(n) > _LONGEST_NAME or n[-1] in "!?。" for n in filled):
        return False
    if any(_language_of(name) for name in filled if len(name) > 3):
        return True
    usual = [name for name in filled if _language_of(name) or _plain(name) in _USUAL]
    return len(usual) > 1


def _names_columns(names: Sequence[str], options: ImportOptions) -> bool:
    wanted = [part.strip() for part in (options.columns or "").split(",")]
    wanted += [options.document or ""]
    return any(not part.isdecimal() and part in names for part in wanted if part)


def _column(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [row[index] for row in rows if index < len(row)]


def _is_text(cells: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in cells if any(map(str.isalpha, cell))]
    return (
        len(filled) >= _LEAST_TEXT * len(cells)
        and len(set(filled)) >= _LEAST_DIFFERENT * len(filled)
        and bool(filled)
    )


def _sentences(
    path: Path,
    names: Sequence[str],
    known: dict[int, str],
    textual: Sequence[int],
    options: ImportOptions,
    header: bool,
) -> tuple[tuple[int, int], str]:
    """Return the columns of source and target, and the reason for them."""
    if options.columns is not None:
        parts = [part.strip() for part in options.columns.split(",")]
        if len(parts) != 2 or parts[0] == parts[1]:
            raise UserError(
                f"--columns {options.columns}: name two, source first, such as "
                "--columns 2,3"
            )
        first, second = (_index(path, names, p, "--columns") for p in parts)
        return (first, second), "--columns says so"
    named = [i for i in known if i in textual]
    codes = [known[i] for i in named]
    wanted = [code for code in (options.source, options.target) if code]
    there = all(any(_same(code, have) for have in codes) for code in wanted)
    if len(set(codes)) > 1 and there:
        ordered = order_languages(path, list(dict.fromkeys(codes)), options)
        first, second = (named[codes.index(code)] for code in ordered)
        return (first, second), "they are called after languages"
    plain = [_plain(name) if header else "" for name in names]
    roles = [
        [i for i, name in enumerate(plain) if name in role]
        for role in (_SOURCES, _TARGETS)
    ]
    if all(roles):
        return (roles[0][0], roles[1][0]), "they are called source and target"
    others = {i for i, n in enumerate(plain) if n in _DOCUMENTS | _REMARKS}
    usable = [i for i in textual if i not in others]
    if len(usable) == 2:
        return (usable[0], usable[1]), "no other column has sentences"
    shown = ", ".join(f"{i + 1} {_shown(names, i, header)}" for i in range(len(names)))
    example = ",".join(str(i + 1) for i in (*usable, 0, 1)[:2])
    raise UserError(
        f"{path}: which columns are the sentences? There are {shown}; "
        f"{len(usable)} of them hold text. Say which, source first: --columns {example}"
    )


def _index(path: Path, names: Sequence[str], part: str, option: str) -> int:
    folded = [name.casefold() for name in names]
    if part.casefold() in folded:
        return folded.index(part.casefold())
    if part.isdecimal() and 1 <= int(part) <= len(names):
        return int(part) - 1
    raise UserError(
        f"{option} {part}: {path} has no such column, but {len(names)}: "
        f"{', '.join(map(repr, names))}. Name one, or its number."
    )


def _languages(
    path: Path,
    columns: tuple[int, int],
    known: dict[int, str],
    body: Sequence[Sequence[str]],
    options: ImportOptions,
) -> tuple[str, str]:
    """Return the languages of the columns: as given, by their names, or guessed."""
    languages = []
    given = (options.source, options.target)
    for i, code, option in zip(columns, given, ("source", "target"), strict=True):
        language = code or known.get(i) or guess_language(_column(body, i))
        if language is None:
            raise UserError(
                f"{path}: the language of column {i + 1} is not known by its words. "
                f"Name it: --{option} CODE, of ISO 639 or your own, such as x-mine"
            )
        languages.append(language)
    if languages[0] == languages[1]:
        raise UserError(
            f"{path}: both columns seem to be {languages[0]}. Name their languages: "
            "--source CODE --target CODE"
        )
    return languages[0], languages[1]


def _document(path: Path, names: Sequence[str], options: ImportOptions) -> int | None:
    if options.document is not None:
        return _index(path, names, options.document, "--document")
    columns = [i for i, name in enumerate(names) if name.casefold() in _DOCUMENTS]
    return columns[0] if len(columns) == 1 else None


def _shown(names: Sequence[str], index: int, header: bool) -> str:
    named = header and index < len(names) and names[index]
    return repr(names[index]) if named else f"column {index + 1}"
