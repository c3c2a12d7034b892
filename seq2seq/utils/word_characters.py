r"""The characters of words: those of `\w` in `re`, and combining marks."""

import re
import unicodedata

# All code points with marks; the categories are those of Unicode (UAX #44).
_CODES = (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0))
MARKS = "\u200c\u200d" + "".join(
    mark for mark in map(chr, _CODES) if unicodedata.category(mark)[0] == "M"
)
"""What continues a word, for character classes of `re`, whose `\\w` lacks it: combining
marks, such as the vowel signs of Hindi and the points of Hebrew, and the zero-width
joiners within words."""

_WORD_CHARACTER = re.compile(rf"[\w{MARKS}]")


def is_word_character(character: str) -> bool:
    """Return whether a character is part of a word; an empty string is not."""
    return bool(_WORD_CHARACTER.match(character))
