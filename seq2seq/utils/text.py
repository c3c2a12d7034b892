"""Properties of characters: which are visible, and what equal sentences may differ in.

Categories are those of Unicode (UAX #44).
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE_CATEGORIES = ("Zs", "Zl", "Zp", "Cc", "Cf")
# Without a mark on paper, though their category is another: what Unicode calls
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), which are the fillers of
# Hangul, joiners, variation selectors and tags; Braille's blank; the null notehead.
_INVISIBLE = {
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0, 0x1D159),
    *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9)),
    *range(0xE0000, 0xE1000),
}


def is_blank(text: str) -> bool:
    """Return whether nothing of a text is visible.

    White space, control and format characters (categories Z, Cc and Cf, such as U+200B,
    U+FEFF and the soft hyphen) and fillers make no text of their own; within a word, as
    the zero-width joiners are in Persian and Hindi, they are part of it.
    """
    for character in text:  # Most texts are decided by their first.
        if (
            not character.isspace()
            and unicodedata.category(character) not in _INVISIBLE_CATEGORIES
            and ord(character) not in _INVISIBLE
        ):
            return False
    return True


class _Folding(dict[int, str | None]):
    """Map of code points for str.translate, filled as characters occur."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        folded: str | None = character
        if category[0] in "PSZC":  # Punctuation, symbols, separators, controls.
            folded = None
        elif category == "Nd":
            folded = "0"
        self[code] = folded
        return folded


_FOLDING = _Folding()
_DIGITS = re.compile("00+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogate(text: str) -> bool:
    """Return whether a text has a lone surrogate, which UTF-8 cannot encode."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def with_noun(number: int, noun: str, plural: str = "s") -> str:
    """Return a number and its noun, in the plural unless it is one: 1 line, 2 lines."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def fold(text: str) -> str:
    """Fold case, digits, punctuation and white space: equal for equal sentences.

    Letters are in lower case and compatible forms are one (NFKC), a number of any
    digits is 0, and of the rest only combining marks stay. Turkish i with a dot and
    without are one, since upper case makes them so elsewhere.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not folded.isascii():
        # Case folding takes some letters apart: U+0390 into three code points.
        folded = unicodedata.normalize("NFKC", folded)
        folded = folded.replace("\u0131", "i").replace("i\u0307", "i")
    folded = folded.translate(_FOLDING)
    return _DIGITS.sub("0", folded) if "00" in folded else folded
