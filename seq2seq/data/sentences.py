"""Sentence segmentation: a line as a list of its sentences.

The rules are those of sentencex (abbreviations and sentence ends of some 300 languages;
English rules where it does not know the language). It keeps what stands in quotes or
brackets together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sentencex import segment

from seq2seq.utils.languages import primary_subtag

_MAX_CHARACTERS = 2000  # What sentencex gets at once: its time is quadratic.
# It slices bytes, so that wider white space than ASCII's may panic.
_WIDE_SPACE = re.compile(r"[^\S\x00-\x7f]")
# What ends no sentence: the beginning of "1. The dog sleeps." or "- The dog sleeps."
_LIST_MARKER = re.compile(r"[\W_]*(?:\d{1,3}[.)]\s*)?")
# Where numbers with a period are ordinals, "2." is the end of the sentence before.
_LAST_MARKER = re.compile(r"(?<=[\s。！？])\d{1,3}[.)]\s*$")
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
    masked = _WIDE_SPACE.sub(" ", line)
    if pattern := _NO_ABBREVIATIONS.get(language):
        masked = pattern.sub(_mask, masked)
    starts: list[int] = []
    start, opens = 0, False
    for end in _sentence_ends(masked, language):
        part = line[start:end]
        begins = not starts or not (opens or _CONTINUATION.match(part))
        if begins:
            starts.append(start)
        opens = (begins or opens) and bool(_LIST_MARKER.fullmatch(part))
        start = end
    ends = [*starts[1:], len(line)]
    return [line[start:end] for start, end in zip(starts or [0], ends, strict=True)]


def _sentence_ends(text: str, language: str) -> Iterator[int]:
    """Yield the ends of sentences and of list markers, the text's own end last.

    A long text is segmented in overlapping pieces.
    """
    start = base = 0  # Of the sentence; of the piece.
    while base < len(text):
        parts = _segment(text[base : base + _MAX_CHARACTERS], language)
        end = base
        if base + _MAX_CHARACTERS < len(text):  # The last sentence may go on.
            last = parts.pop()
            base += sum(map(len, parts)) or len(last) // 2
        else:
            base = len(text)
        for part in parts:
            end += len(part)
            marker = _LAST_MARKER.search(text, start + 1, end)
            if marker and _is_sentence(text[start : marker.start()], language):
                yield marker.start()
            yield end
            start = end


def _is_sentence(text: str, language: str) -> bool:
    """Return whether a sentence ends with the text, if another word follows."""
    return _segment(f"{text[-_MAX_CHARACTERS:]}Dd", language)[-1] == "Dd"


def _segment(text: str, language: str) -> list[str]:
    """Return a text's sentences; itself where sentencex fails."""
    try:
        parts: list[str] = segment(language, text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # A panic in Rust is no Exception.
        return [text]
    return parts if parts and "".join(parts) == text else [text]


def _mask(match: re.Match[str]) -> str:
    """Return as many letters of the same case that abbreviate nothing."""
    return ("D" if match[0][0].isupper() else "d") + "d" * (len(match[0]) - 1)
