"""Statistics of translated lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from seq2seq.data.tables import is_column_name
from seq2seq.translate.options import Translation
from seq2seq.translate.translator import Translator
from seq2seq.utils.text import with_noun


@dataclass
class LineStats:
    """Counts of input lines.

    Attributes:
        sentences: Whether lines of several sentences are split or kept.
        reason: Why, where it is a guess; empty where it is an option.
        lines: Lines that were translated.
        multi_sentence: Lines that hold several sentences.
        split: Lines that were too long and were translated in segments.
        truncated: Lines that were too long and lost their end.
        errors: Lines that could not be translated, with on_error="return".
        first_error: The error of the first of these.
        decode_errors: Lines that were not UTF-8, read with U+FFFD.
        first_decode_error: The location of the first of these.
        languages: Source and target.
        header: The warning of a first row that was translated, but seems to name
            columns; empty if there is none.
    """

    sentences: Literal["split", "keep"] = "keep"
    reason: str = ""
    lines: int = 0
    multi_sentence: int = 0
    split: int = 0
    truncated: int = 0
    errors: int = 0
    first_error: str = ""
    decode_errors: int = 0
    first_decode_error: str = ""
    languages: tuple[str, str] = ("", "")
    header: str = ""

    @classmethod
    def of(
        cls, translator: Translator, sentences: Literal["split", "keep"] | None
    ) -> LineStats:
        """Return empty counts for an option, or for the run's default if None."""
        if sentences is not None:
            stats = cls(sentences)
        else:
            reason = translator.default_sentences_reason
            stats = cls(translator.default_sentences, reason)
        data = translator.recipe.data
        stats.languages = data.source, data.target
        return stats

    def add(self, translations: Iterable[Translation]) -> None:
        """Count translations."""
        for translation in translations:
            self.lines += 1
            self.multi_sentence += translation.num_sentences > 1
            expected = translation.num_sentences if self.sentences == "split" else 1
            self.split += translation.num_segments > expected
            self.truncated += translation.truncated
            self.errors += bool(translation.error)
            self.first_error = self.first_error or translation.error

    def add_decode_error(self, location: str) -> None:
        """Count a line that was not UTF-8."""
        self.decode_errors += 1
        self.first_decode_error = self.first_decode_error or location

    def add_first_cell(self, name: str, text: str) -> None:
        """Note a file's first text where it seems to name a column chosen by number."""
        if not self.header and is_column_name(text, self.languages):
            self.header = (
                f"{name}:1 was translated, but {text!r} seems to name a column; if so, "
                f"--field {shlex.quote(text)} in place of its number"
            )

    def sentence_splitting(self) -> str:
        """Return how many lines hold several sentences, and what becomes of them."""
        how = "sentence by sentence" if self.sentences == "split" else "whole"
        one = self.multi_sentence == 1
        return (
            f"{self._share(self.multi_sentence)} {'holds' if one else 'hold'} several "
            f"sentences and {'was' if one else 'were'} translated {how}"
            f"{self.reason and ', '}{self.reason}"
        )

    def _share(self, count: int) -> str:
        return f"{count:,} of {with_noun(self.lines, 'line')}"

    def warnings(self, max_length: int) -> list[str]:
        """Return a message for each kind of exceptional line.

        Args:
            max_length: Maximal number of source tokens, as applied.
        """
        messages = [self.header] if self.header else []
        if self.multi_sentence and self.reason:
            other = "split translates each sentence by itself"
            if self.sentences == "split":
                other = "keep translates lines whole"
            messages.append(f"{self.sentence_splitting()}; --sentences {other}")
        if self.truncated:
            messages.append(
                f"{self._share(self.truncated)} "
                f"{'was' if self.truncated == 1 else 'were'} truncated to "
                f"{with_noun(max_length, 'token')}"
            )
        elif self.split:
            messages.append(
                f"{self._share(self.split)} had more than "
                f"{with_noun(max_length, 'token')} and "
                f"{'was' if self.split == 1 else 'were'} translated in segments"
            )
        if self.errors:
            messages.append(
                f"{self._share(self.errors)} could not be translated and "
                f"{'is' if self.errors == 1 else 'are'} blank; the first error: "
                f"{self.first_error}"
            )
        if self.decode_errors:
            were = "was" if self.decode_errors == 1 else "were"
            messages.append(
                f"{with_noun(self.decode_errors, 'line')} {were} not UTF-8, and "
                "U+FFFD took the place of what cannot be read; the first is "
                f"{self.first_decode_error}. --strict-utf8 refuses such "
                "lines"
            )
        return messages
