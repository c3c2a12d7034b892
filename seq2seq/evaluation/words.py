"""Word segmentation, word frequencies of the training text, and word-level diffs.

One rule for every language, so that counts of source and target compare: a run of
letters and digits is a word, a Chinese or Japanese character is one of its own, and so
is any other visible character.
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
from typing import Any

from seq2seq.data.preprocessing import open_split
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions
from seq2seq.utils.files import atomic_file

_CHARACTERS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(
    rf"[{_CHARACTERS}]|[^\W{_CHARACTERS}]+(?:['’][^\W{_CHARACTERS}]+)*|[^\w\s]"
)
_FORMAT = 1


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


@dataclass(frozen=True)
class DiffSpan:
    """A span of a line in a word-level diff.

    Attributes:
        text: White space included.
        differs: Whether the other line lacks these words.
    """

    text: str
    differs: bool


def diff_spans(line: str, other: str) -> list[DiffSpan]:
    """Mark the words of a line that another line does not share, in order.

    The spans together are the line, to the last character.
    """
    bounds = [match.span() for match in _WORD.finditer(line)]
    matcher = SequenceMatcher(None, words(line), words(other), autojunk=False)
    same = [False] * len(bounds)
    for block in matcher.get_matching_blocks():
        same[block.a : block.a + block.size] = [True] * block.size
    spans: list[DiffSpan] = []
    end = 0
    for number, (first, last) in enumerate(bounds):
        if first > end:
            between = number > 0 and not same[number - 1] and not same[number]
            spans = _append(spans, line[end:first], between)
        spans = _append(spans, line[first:last], not same[number])
        end = last
    return _append(spans, line[end:], False) if end < len(line) else spans


def _append(spans: list[DiffSpan], text: str, differs: bool) -> list[DiffSpan]:
    """Append a span, joined to the last one if both differ or both do not."""
    if spans and spans[-1].differs == differs:
        return [*spans[:-1], DiffSpan(spans[-1].text + text, differs)]
    return [*spans, DiffSpan(text, differs)]


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
