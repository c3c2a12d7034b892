"""What is wrong with a sentence pair by itself: rules, each with its reason.

They are those of corpus filters that need no model (OpusFilter; Aulamo et al. 2020),
since models of languages throw away good short pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from seq2seq.utils.language_guess import count_scripts, script_of
from seq2seq.utils.text import fold, is_blank

RULES = {
    "blank": "a side has no visible character",
    "damaged": "characters were lost (U+FFFD), or UTF-8 was read as another encoding",
    "swapped": "each side is in the other's language",
    "identical": "both sides are the same but for case, digits and punctuation",
    "script": "letters are of another script than their side's, or of two in a word",
    "numbers": "a number above 12 is on one side only",
    "length": "a side is far longer than the other is, or than a sentence",
    "duplicate": "the pair came before",
    "near_duplicate": "both sides are near those of a pair that came before",
}
"""The rules in the order in which they are applied, and what each finds."""

# Bytes 0x80 to 0xBF, which continue a character of UTF-8, read as cp1252 or Latin-1.
_MIDDLE = re.escape(
    "".join(chr(byte) for byte in range(0x80, 0xC0))
    + bytes(
        byte for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"
    ).decode("cp1252")
)
# First bytes of letters of Latin, Greek, Cyrillic, Hebrew and Arabic, and of quotes
# (0xE2); others, such as ß before a closing quote, stand in sound text too.
_MOJIBAKE = re.compile(rf"[ÂÃÄÅÎÏÐÑ×ØÙ][{_MIDDLE}]|â[€‚„\x80\x82\x84][{_MIDDLE}]")
_WIDE_MOJIBAKE = re.compile(rf"[àâ-é][{_MIDDLE}]{{2}}")  # Of CJK and Indic scripts.
_CONFUSABLE = {"LATIN", "CYRILLIC", "GREEK"}
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+(?:[.,'’\u00a0\u202f ]\d{3})*(?:[.,]\d+)?")
_TIME = re.compile(r"\b\d{1,2}(?::|\.(?=\d\d Uhr))\d\d\b")  # Half past two: none.
_SMALL = 12  # Numbers that are written as words.


@dataclass(frozen=True)
class Thresholds:
    """Bounds of the rules.

    Attributes:
        max_length: Characters of a side.
        max_length_ratio: Of the sides' lengths, divided by the corpus's median ratio.
        max_foreign: Share of letters that are of another script than the side's.
    """

    max_length: int = 1000
    max_length_ratio: float = 3.0
    max_foreign: float = 0.4


@dataclass(frozen=True)
class PairRules:
    """The rules of single pairs, set to a corpus.

    Attributes:
        scripts: Of each side, the scripts that are usual there.
        length_ratio: Median of target length / source length, in characters.
        thresholds: Their bounds.
    """

    scripts: tuple[frozenset[str], frozenset[str]]
    length_ratio: float
    thresholds: Thresholds = field(default_factory=Thresholds)

    @classmethod
    def of(
        cls, sources: Sequence[str], targets: Sequence[str], thresholds: Thresholds
    ) -> PairRules:
        """Find out what is usual in a corpus."""
        ratios = [
            (len(target) + 1) / (len(source) + 1)
            for source, target in zip(sources, targets, strict=True)
        ]
        scripts = usual_scripts(sources), usual_scripts(targets)
        return cls(scripts, median(ratios or [1.0]), thresholds)

    def faults(self, source: str, target: str) -> Iterator[tuple[str, str]]:
        """Yield the rules that a pair breaks, with what is at fault.

        Of a blank pair nothing else is said.
        """
        if is_blank(source) or is_blank(target):
            yield "blank", "source" if is_blank(source) else "target"
            return
        if detail := damage(source) or damage(target):
            yield "damaged", detail
        if source == target or (fold(source) == fold(target) != ""):
            yield "identical", ""
        for text, usual in zip((source, target), self.scripts, strict=True):
            if detail := self._foreign(text, usual):
                yield "script", detail
        if detail := unmatched_numbers(source, target):
            yield "numbers", detail
        yield from self._length_faults(source, target)

    def _foreign(self, text: str, usual: frozenset[str]) -> str:
        if text.isascii() and "LATIN" in usual:
            return ""
        scripts = count_scripts([text])
        foreign = sum(n for script, n in scripts.items() if script not in usual)
        if foreign > self.thresholds.max_foreign * scripts.total():
            return "".join(c for c in text if (s := script_of(c)) and s not in usual)[
                :20
            ]
        if len(_CONFUSABLE & scripts.keys()) > 1:
            for word in _WORD.findall(text):
                if len(_CONFUSABLE & count_scripts([word]).keys()) > 1:
                    return str(word)
        return ""

    def _length_faults(self, source: str, target: str) -> Iterator[tuple[str, str]]:
        longest = max(len(source), len(target))
        if longest > self.thresholds.max_length:
            yield "length", f"{longest:,} characters"
        # Ten characters more on both sides, since short sentences vary most.
        ratio = (len(target) + 10) / (self.length_ratio * (len(source) + 10))
        if max(ratio, 1 / ratio) > self.thresholds.max_length_ratio:
            yield "length", f"{len(source)} and {len(target)} characters"


def usual_scripts(texts: Sequence[str]) -> frozenset[str]:
    """Return the scripts that make up a tenth of the letters, at least."""
    scripts: Counter[str] = Counter()
    for start in range(0, len(texts), 10_000):
        scripts += count_scripts(texts[start : start + 10_000])
    usual = {s for s, count in scripts.items() if count >= 0.1 * scripts.total()}
    if usual & {"HIRAGANA", "KATAKANA"}:
        usual |= {"HIRAGANA", "KATAKANA", "CJK"}
    return frozenset(usual)


def damage(text: str) -> str:
    """Return the characters that an encoding spoilt; nothing if there are none."""
    if text.isascii():
        return ""
    if "\ufffd" in text:
        return "U+FFFD"
    if match := _MOJIBAKE.search(text):
        return match[0]
    wide = _WIDE_MOJIBAKE.findall(text)
    return str(wide[0]) if len(wide) > 1 else ""


def unmatched_numbers(source: str, target: str) -> str:
    """Return numbers above 12 that only one side has, with their separators removed.

    Smaller ones are often written as words; 15 matches 3, as an hour.
    """
    sides = [Counter(_numbers(text)) for text in (source, target)]
    missing: list[str] = []
    for here, there in (sides, sides[::-1]):
        for number in here - there:
            value = int(number[:30])
            hour = 12 < value <= 24 and str(value - 12) in there
            if value > _SMALL and not hour:
                missing.append(number)
    return ", ".join(missing[:5])


def _numbers(text: str) -> list[str]:
    if not any(map(str.isdecimal, text)):
        return []
    text = _TIME.sub(" ", text)
    return [re.sub(r"\D", "", number) for number in _NUMBER.findall(text)]
