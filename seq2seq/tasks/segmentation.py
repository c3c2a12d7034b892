"""Word segmentation: boundaries of words as a tag for every character."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDARY_TAGS = "BMES"
"""Begin, middle and end of a word; a word of a single character."""


def tag_characters(line: str) -> tuple[list[str], list[str]]:
    """Turn words between blanks into characters and their tags.

    Source: Xue 2003, "Chinese Word Segmentation as Character Tagging", section 2.
    """
    tags: list[str] = []
    for word in line.split():
        tags += "S" if len(word) == 1 else ["B", *"M" * (len(word) - 2), "E"]
    return list("".join(line.split())), tags


def join_words(line: str, tags: Sequence[str]) -> str:
    """Put a blank after every character whose tag ends a word; blanks of the line stay.

    Args:
        line: A text, segmented or not.
        tags: A tag for each of its characters but the blanks.
    """
    rest = iter(tags)
    parts = [
        "".join(
            character + " " * (next(rest) in ("E", "S")) for character in part
        ).rstrip()
        for part in line.split()
    ]
    return " ".join(parts)
