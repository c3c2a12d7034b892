"""The language of a text: by its script, else by the frequent words of each language.

A list of some twenty words tells apart languages of one script in texts of a hundred
sentences; closely related ones (hr and sr-Latn, id and ms) less well. Source: Dunning
1994, Statistical Identification of Language; scripts by the names of Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

from seq2seq.utils.word_characters import MARKS

SCRIPT_LANGUAGES = {
    **{"GREEK": "el", "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh"},
    **{"THAI": "th", "GEORGIAN": "ka", "ARMENIAN": "hy", "BENGALI": "bn"},
    **{"TELUGU": "te", "TAMIL": "ta", "KANNADA": "kn", "MALAYALAM": "ml"},
    "GUJARATI": "gu",
    **{"GURMUKHI": "pa", "SINHALA": "si", "KHMER": "km", "LAO": "lo", "MYANMAR": "my"},
    **{"ETHIOPIC": "am", "TIBETAN": "bo", "ORIYA": "or", "THAANA": "dv"},
}
"""The language with most writers of each script that has no list of words."""

_SAMPLE_TEXTS = 2000
_LEAST_SHARE = 0.12  # Of the words that are in a language's list.
_LEAST_RATIO = 1.25  # To that of the second language.
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}'’-](?=[^\W\d_]|[{MARKS}]))*")


@lru_cache(maxsize=1 << 16)
def script_of(character: str) -> str:
    """Return the script of a letter, such as LATIN; empty for all else.

    The kana and ideographs of Japanese are told apart; marks have no script.
    """
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    # Halfwidth kana, fullwidth Latin, and modifier letters stand in any text.
    return "" if first in ("MODIFIER", "HALFWIDTH", "FULLWIDTH") else first


def count_scripts(texts: Iterable[str]) -> Counter[str]:
    """Count the letters of each script."""
    letters = Counter("".join(texts))
    scripts: Counter[str] = Counter()
    for character, count in letters.items():
        if script := script_of(character):
            scripts[script] += count
    return scripts


def guess_language(texts: Sequence[str]) -> str | None:
    """Guess the language of most of the texts.

    Args:
        texts: Sentences of one language; the first 2,000 are read.

    Returns:
        Its ISO 639 code; None where no language is clearly the most probable.
    """
    sample = list(islice(texts, _SAMPLE_TEXTS))
    scripts = count_scripts(sample)
    if not scripts:
        return None
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana > 0.05 * scripts.total():
        return "ja"
    script, count = scripts.most_common(1)[0]
    if count < 0.5 * scripts.total():
        return None
    if script in SCRIPT_LANGUAGES:
        return SCRIPT_LANGUAGES[script]
    words = Counter(
        word.replace("’", "'")
        for text in sample
        for word in _WORD.findall(text.lower())
    )
    shares = sorted(
        (
            (sum(words[word] for word in known) / max(1, words.total()), language)
            for language, known in frequent_words().items()
        ),
        reverse=True,
    )
    (best, language), (second, _) = shares[:2]
    if best < _LEAST_SHARE or best < _LEAST_RATIO * second:
        return None
    return language


@cache
def frequent_words() -> dict[str, frozenset[str]]:
    """Read the frequent words of each language."""
    path = Path(__file__).with_name("language_words.txt")
    lines = path.read_text(encoding="utf-8").splitlines()
    split = [line.split(": ", 1) for line in lines if not line.startswith("#")]
    return {language: frozenset(words.split()) for language, words in split}
