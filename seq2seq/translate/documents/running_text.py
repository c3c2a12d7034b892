"""Texts of several lines: a subtitle's or a paragraph's, with marks and style tags."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from seq2seq.translate.documents.document import (
    Passage,
    has_letters,
    join_lines,
    split_end,
    wrap,
    wrap_to_lines,
)

_TAG = re.compile(r"(</?\w[^<>]*>|\{[^{}]*\}|(?<!\s)\s*[♪♫]+\s*)")
_SPEAKER = re.compile(r"\s*(?:(?:<[^<>]*>|\{[^{}]*\})+\s*)?[-‐–—]\s*(?=\S)")
_BULLET = re.compile(r"\s*(?:[-–—*•>]|#+|\d+[.)])\s+(?=\S)")


@dataclass(frozen=True)
class CueText:
    """A subtitle's text, or one speaker's part of it.

    Attributes:
        text: The text without tags, in one line.
        line: The line in which it begins.
        source: The lines as they were, joined by `end`.
        mark: A speaker's dash, with what stands before it.
        tags: Style tags, and how many words of the text stand before each.
        num_lines: How many lines it has.
        end: What ends a line.
        escaped: Whether &, < and > are written as entities.
    """

    text: str
    line: int
    source: str
    mark: str
    tags: Sequence[tuple[str, int]]
    num_lines: int
    end: str
    escaped: bool

    def render(self, translation: str) -> str:
        """Return the lines: as many as there were, or fewer, with all tags in order."""
        lines = [line.split() for line in wrap_to_lines(translation, self.num_lines)]
        if not lines:
            return self.source
        words = [word for line in lines for word in line]
        if self.escaped:
            words = [html.escape(word, quote=False) for word in words]
        slots = self._tag_slots(len(words))
        tagged = (
            before + word + after
            for before, word, after in zip(slots[::2], words, slots[1::2], strict=True)
        )
        return self.mark + self.end.join(
            " ".join(next(tagged) for _ in line) for line in lines
        )

    def _tag_slots(self, num_words: int) -> list[str]:
        """Return the tags before word i, at 2 i, and those after it, at 2 i + 1.

        A tag stands after the same share of the words as in the source.
        """
        slots = [""] * (2 * num_words)
        num_source, last = len(self.text.split()), 0
        for tag, words_before in self.tags:
            boundary = round(words_before * num_words / num_source)
            closes = tag.startswith("</")
            slot = 2 * boundary - closes
            if slot < last:  # The order stays, and an element keeps a word.
                slot = last + (closes != last % 2)
            last = min(max(slot, 0), len(slots) - 1)
            slots[last] += tag
        return slots


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text.

    Attributes:
        text: The text, in one line.
        line: The line in which it begins.
        source: The lines as they were, joined by `end`.
        mark: Indentation of the first line, and the bullet or number of an item.
        indent: Indentation of further lines.
        width: Length of the longest line, if there are several; else 0.
        end: What ends a line.
    """

    text: str
    line: int
    source: str
    mark: str
    indent: str
    width: int
    end: str

    def render(self, translation: str) -> str:
        """Return the paragraph, wrapped at its width if it was wrapped."""
        width = max(1, self.width - len(self.indent))
        lines = wrap(translation, width) if self.width else [translation]
        if not translation.strip():
            return self.source
        return self.mark + f"{self.end}{self.indent}".join(lines)


def cue_pieces(
    lines: Sequence[str], number: int, *, escaped: bool
) -> Iterator[str | Passage]:
    """Yield the pieces of a subtitle's text: each speaker's lines are a passage.

    Args:
        lines: Lines with their ends.
        number: The number of the first.
        escaped: Whether it has entities, as WebVTT.
    """
    for start, group in _groups(lines, _SPEAKER):
        contents = [split_end(line)[0] for line in group]
        mark = _mark(_SPEAKER, contents[0])
        parts = _TAG.split(join_lines([contents[0][len(mark) :], *contents[1:]]))
        if escaped:
            parts[::2] = map(html.unescape, parts[::2])
        text, tags = "", []
        for index, part in enumerate(parts):
            if index % 2:
                tags.append((part, len(text.split())))
            else:
                text += part
        text = " ".join(text.split())
        end = split_end(group[0])[1] or "\n"
        if not has_letters(text):
            yield "".join(group)
            continue
        source = end.join(contents)
        yield CueText(
            text, number + start, source, mark, tags, len(group), end, escaped
        )
        yield split_end(group[-1])[1]


def paragraph_pieces(lines: Sequence[str], number: int) -> Iterator[str | Passage]:
    """Yield the pieces of lines between blank ones: each item of a list is a passage.

    Args:
        lines: Lines with their ends.
        number: The number of the first.
    """
    for start, group in _groups(lines, _BULLET):
        contents = [split_end(line)[0] for line in group]
        mark = _mark(_BULLET, contents[0])
        mark = mark or contents[0][: -len(contents[0].lstrip())]
        text = join_lines([contents[0][len(mark) :], *contents[1:]])
        second = contents[1] if contents[1:] else ""
        end = split_end(group[0])[1] or "\n"
        if not has_letters(text):
            yield "".join(group)
            continue
        yield Paragraph(
            text,
            number + start,
            end.join(contents),
            mark,
            second[: len(second) - len(second.lstrip())],
            max(map(len, contents)) if second else 0,
            end,
        )
        yield split_end(group[-1])[1]


def _groups(
    lines: Sequence[str], mark: re.Pattern[str]
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the index of each group's first line, and its lines; marks begin groups."""
    starts = [i for i, line in enumerate(lines) if i and mark.match(line)]
    for start, stop in pairwise([0, *starts, len(lines)] if lines else []):
        yield start, lines[start:stop]


def _mark(pattern: re.Pattern[str], line: str) -> str:
    match = pattern.match(line)
    return match.group() if match else ""
