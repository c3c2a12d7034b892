"""Statistics of translated lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seq2seq.translate.options import Translation


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
    """

    sentences: str = "keep"
    reason: str = ""
    lines: int = 0
    multi_sentence: int = 0
    split: int = 0
    truncated: int = 0
    errors: int = 0
    first_error: str = ""
    decode_errors: int = 0
    first_decode_error: str = ""

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

    def sentence_splitting(self) -> str:
        """Return how many lines hold several sentences, and what becomes of them."""
        how = "sentence by sentence" if self.sentences == "split" else "whole"
        return (
            f"{self.multi_sentence:,} of {self.lines:,} lines hold several sentences "
            f"and were translated {how}, {self.reason}"
        )

    def warnings(self, max_length: int) -> list[str]:
        """Return a message for each kind of exceptional line.

        Args:
            max_length: Maximal number of source tokens, as applied.
        """
        messages = []
        if self.multi_sentence and self.reason:
            other = "split translates each sentence by itself"
            if self.sentences == "split":
                other = "keep translates lines whole"
            messages.append(f"{self.sentence_splitting()}; --sentences {other}")
        if self.truncated:
            messages.append(
                f"{self.truncated:,} of {self.lines:,} lines were truncated to "
                f"{max_length} tokens"
            )
        elif self.split:
            messages.append(
                f"{self.split:,} of {self.lines:,} lines had more than {max_length} "
                "tokens and were translated in segments"
            )
        if self.errors:
            messages.append(
                f"{self.errors:,} of {self.lines:,} lines could not be translated and "
                f"are blank; the first error: {self.first_error}"
            )
        if self.decode_errors:
            count = self.decode_errors
            lines = "1 line was" if count == 1 else f"{count:,} lines were"
            messages.append(
                f"{lines} not UTF-8, and U+FFFD took the place of what cannot be read; "
                f"the first is {self.first_decode_error}. --strict-utf8 refuses such "
                "lines"
            )
        return messages
