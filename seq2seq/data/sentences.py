"""Sentence segmentation: a line as a list of its sentences.

The rules are those of sentencex (abbreviations and sentence ends of some 300 languages;
English rules where it does not know the language). It keeps what stands in quotes or
brackets together.
"""

from __future__ import annotations

import re

from sentencex import segment

from seq2seq.utils.languages import primary_subtag

# What ends no sentence: the beginning of "1. The dog sleeps." or "- The dog sleeps."
_LIST_MARKER = re.compile(r"\W*(?:\d{1,3}[.)]\s*)?")
# What begins none: only punctuation, or punctuation that continues or closes.
_CONTINUATION = re.compile(r"[\W_]*$|[,;)\]}]")
# Words that often end a sentence, but in another case are abbreviations (Me. for Maine,
# No., Mich. for Micha), which sentencex ignores: "He saw me. Tom ran."
_NO_ABBREVIATIONS = {
    language: re.compile(rf"\b(?:{words})(?=\.\s+[^\W\d_])")
    for language, words in {
        "en": "me|no|No|ok|OK|ill|ID|art|may|May|miss",
        "de": "mich|mag|ok|OK",
    }.items()
}

# sentencex knows languages by ISO 639-1.
_TWO_LETTERS = {
    code: two
    for two, codes in {
        "ar": "ara",
        "cs": "ces cze",
        "da": "dan",
        "de": "deu ger",
        "el": "ell gre",
        "en": "eng",
        "es": "spa",
        "fi": "fin",
        "fr": "fra fre",
        "hi": "hin",
        "it": "ita",
        "ja": "jpn",
        "nl": "nld dut",
        "pl": "pol",
        "pt": "por",
        "ru": "rus",
        "sv": "swe",
        "tr": "tur",
        "uk": "ukr",
        "zh": "zho chi cmn",
    }.items()
    for code in codes.split()
}


def split_sentences(line: str, language: str) -> list[str]:
    """Split a line at the ends of its sentences.

    Args:
        line: Text without lone surrogates.
        language: Its language, as the recipe's data section names it.

    Returns:
        Its sentences, each with the white space after it; together they are the line.
        At least one.
    """
    language = primary_subtag(language)
    language = _TWO_LETTERS.get(language, language)
    masked = line
    if pattern := _NO_ABBREVIATIONS.get(language):
        masked = pattern.sub(_mask, line)
    sentences: list[str] = []
    end = 0
    for masked_part in segment(language, masked):
        part = line[end : end + len(masked_part)]
        end += len(part)
        continues = bool(_CONTINUATION.match(part))
        if len(sentences) == 1:
            continues |= bool(_LIST_MARKER.fullmatch(sentences[0]))
        if sentences and continues:
            sentences[-1] += part
        else:
            sentences.append(part)
    return sentences or [line]


def _mask(match: re.Match[str]) -> str:
    """Return as many letters of the same case that abbreviate nothing."""
    return ("D" if match[0][0].isupper() else "d") + "d" * (len(match[0]) - 1)
