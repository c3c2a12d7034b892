"""Glossaries: terms of the source that require a translation (Post and Vilar 2018)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.files import read_lines
from seq2seq.utils.word_characters import MARKS, is_word_character


class TermMatcher:
    """Finds the terms of a glossary in source text.

    A term matches as a whole word, from left to right, the longest first. One without
    capitals matches in any case, another as it is written.

    Args:
        glossary: The required translation of each term.
        spaced: Whether the source language has blanks between words; if not, terms
            match anywhere.
    """

    def __init__(self, glossary: Mapping[str, str], *, spaced: bool) -> None:
        terms = [term for term in glossary if term.strip()]
        # As it is written comes before any case.
        terms.sort(key=lambda term: (-len(term), term == term.lower()))
        self._targets = [glossary[term] for term in terms]
        self._pattern = re.compile(
            "|".join(f"({_expression(term, spaced=spaced)})" for term in terms)
            or "(?!)"
        )

    def required(self, text: str) -> tuple[str, ...]:
        """Return the required phrases of a text: each once, in the order of terms."""
        indices = [m.lastindex or 1 for m in self._pattern.finditer(text)]
        return tuple(dict.fromkeys(self._targets[index - 1] for index in indices))


def _expression(term: str, *, spaced: bool) -> str:
    words = r"\s+".join(map(re.escape, term.split()))
    if spaced and is_word_character(term[:1]):
        words = rf"(?<![\w{MARKS}]){words}"
    if spaced and is_word_character(term[-1:]):
        words = rf"{words}(?![\w{MARKS}])"
    return f"(?i:{words})" if term == term.lower() else words


def read_glossary(path: Path) -> dict[str, str]:
    """Read a file with a term, a tab and its translation in each line.

    Blank lines, and further columns, which may hold notes, are left out.

    Raises:
        UserError: If a line has no term or translation, or a term has two.
    """
    glossary: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        term, target, *_ = [*(cell.strip() for cell in line.split("\t")), "", ""]
        if not term or not target:
            raise UserError(
                f"{path}:{number}: a glossary has a term, a tab and its translation in "
                f"each line, but here is {line[:60]!r}."
            )
        if glossary.setdefault(term, target) != target:
            raise UserError(
                f"{path}:{number}: {term!r} has two translations, {glossary[term]!r} "
                f"and {target!r}. Remove one of them."
            )
    if not glossary:
        raise UserError(f"{path} has no terms: give lines of term, tab, translation.")
    return glossary
