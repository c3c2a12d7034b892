"""Word segmentation, word frequencies of the training text, and word-level diffs.

One rule for every language, so that counts of source and target compare: a run of
letters and digits is a word, a Chinese or Japanese character is one of its own, and so
is any other visible character; combining marks belong to what they follow.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

from seq2seq.data.splits import open_split
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions
from seq2seq.utils.files import atomic_file
from seq2seq.utils.word_characters import MARKS

_CHARACTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W{_CHARACTERS}]"
_WORD = re.compile(
    rf"[{_CHARACTERS}][{MARKS}]*"
    rf"|{_LETTER}(?:{_LETTER}|[{MARKS}]|['’](?={_LETTER}))*"
    rf"|[^\w\s][{MARKS}]*"
)
_FORMAT = 2


def words(line: str) -> list[str]:
    """Split a line into words."""
    return _WORD.findall(line)


@dataclass(frozen=True)
class WordFrequencies:
    """Word counts of the training text.

    Attributes:
        source: Counts of the source side.
        target: Counts of the target side.
        pairs: Number of sentence pairs counted.
    """

    source: Counter[str]
    target: Counter[str]
    pairs: int


def word_frequencies(data: DataOptions, cache: Path) -> WordFrequencies:
    """Count the words of a recipe's training split, or read the counts from a cache.

    Args:
        data: The data section of the recipe.
        cache: File of the counts; written anew when the text has changed.

    Raises:
        UserError: If the data cannot be read.
    """
    corpus = open_split(data, data.splits.train, max_pairs=data.max_pairs)
    cached = _read(cache)
    key = {"format": _FORMAT, "fingerprint": corpus.fingerprint}
    if cached.items() >= key.items():
        return WordFrequencies(
            Counter(cached["source"]), Counter(cached["target"]), cached["pairs"]
        )
    source: Counter[str] = Counter()
    target: Counter[str] = Counter()
    pairs = 0
    for pair in corpus.read():
        source.update(words(pair.source))
        target.update(words(pair.target))
        pairs += 1
    counts = {**key, "pairs": pairs, "source": source, "target": target}
    text = json.dumps(counts, ensure_ascii=False)
    with atomic_file(cache) as file:
        file.write(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0))
    return WordFrequencies(source, target, pairs)


def _read(cache: Path) -> dict[str, Any]:
    """Read the cached counts; a missing or corrupted file counts as empty."""
    try:
        content = json.loads(gzip.decompress(cache.read_bytes()))
    except (OSError, EOFError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


Edit = Literal["equal", "insertion", "deletion"]


@dataclass(frozen=True)
class DiffSpan:
    """A span of a hypothesis in its word-level diff with a reference.

    Attributes:
        text: White space included.
        edit: "equal"; "insertion", words that the reference lacks here; or "deletion",
            words of the reference that the hypothesis lacks here.
    """

    text: str
    edit: Edit


def diff_spans(hypothesis: str, reference: str) -> list[DiffSpan]:
    """Return the word-level diff that leads from a reference to a hypothesis.

    The spans other than deletions together are the hypothesis, to the last character.
    A word that replaces another is an insertion, followed by a deletion.
    """
    here, there = (
        [match.span() for match in _WORD.finditer(line)]
        for line in (hypothesis, reference)
    )
    matcher = SequenceMatcher(None, words(hypothesis), words(reference), autojunk=False)
    spans: list[DiffSpan] = []
    end = 0

    def append(text: str, edit: Edit) -> None:
        if text and spans and spans[-1].edit == edit:
            text = spans.pop().text + text
        if text:
            spans.append(DiffSpan(text, edit))

    for tag, first, last, begin, stop in matcher.get_opcodes():
        if first < last:
            start = here[first][0]
            append(hypothesis[end:start], "equal")
            end = here[last - 1][1]
            append(hypothesis[start:end], "equal" if tag == "equal" else "insertion")
        if tag != "equal" and begin < stop:
            append(reference[there[begin][0] : there[stop - 1][1]], "deletion")
    append(hypothesis[end:], "equal")
    return spans


def read_segment_scores(path: Path, lines: Sequence[str]) -> list[float]:
    """Parse segment scores that another program computed.

    Args:
        path: The file, for messages.
        lines: Its lines: a number each, or text that ends with one, as COMET prints.

    Raises:
        UserError: If a line does not end with a finite number.
    """
    scores = []
    for number, line in enumerate(lines, 1):
        last = line.split()[-1] if line.split() else ""
        try:
            value = float(last)
        except ValueError:
            value = float("nan")
        if not -1e300 < value < 1e300:
            raise UserError(
                f"{path}:{number}: {last[:40]!r} is no number; each line must hold the "
                "score of its segment."
            )
        scores.append(value)
    return scores
