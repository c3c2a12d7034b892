"""Words of lines, and how often the training text has them. Knows text; not scores.

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
    """Cut a line into words."""
    return _WORD.findall(line)


@dataclass(frozen=True)
class WordFrequencies:
    """How often each word stands in the training text.

    Attributes:
        source: Counts of the source side.
        target: Counts of the target side.
        pairs: How many sentence pairs were counted.
    """

    source: Counter[str]
    target: Counter[str]
    pairs: int


def word_frequencies(data: DataOptions, cache: Path) -> WordFrequencies:
    """Count the words of a recipe's training split, or find them counted before.

    Args:
        data: Where the text is.
        cache: A file that keeps the counts; made again when the text has changed.

    Raises:
        InputError: If the data cannot be read.
    """
    corpus = open_split(data, data.splits.train, max_pairs=data.max_pairs)
    kept = _read(cache)
    if kept.get("fingerprint") == corpus.fingerprint and kept.get("format") == _FORMAT:
        return WordFrequencies(
            Counter(kept["source"]), Counter(kept["target"]), kept["pairs"]
        )
    source: Counter[str] = Counter()
    target: Counter[str] = Counter()
    pairs = 0
    for pair in corpus.read():
        source.update(words(pair.source))
        target.update(words(pair.target))
        pairs += 1
    found = {
        "format": _FORMAT,
        "fingerprint": corpus.fingerprint,
        "pairs": pairs,
        "source": source,
        "target": target,
    }
    text = json.dumps(found, ensure_ascii=False)
    with atomic_file(cache) as file:
        file.write(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0))
    return WordFrequencies(source, target, pairs)


def _read(cache: Path) -> dict[str, Any]:
    """Read what was kept; what cannot be read is as good as nothing."""
    try:
        found = json.loads(gzip.decompress(cache.read_bytes()))
    except (OSError, EOFError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class DiffSpan:
    """A stretch of a line.

    Attributes:
        text: White space included.
        differs: Whether the other line says something else here.
    """

    text: str
    differs: bool


def diff_spans(line: str, other: str) -> list[DiffSpan]:
    """Mark the words of a line that another line does not share, in order.

    The parts together are the line, to the last character.
    """
    spans = [match.span() for match in _WORD.finditer(line)]
    mine = [line[begin:end] for begin, end in spans]
    matcher = SequenceMatcher(None, mine, words(other), autojunk=False)
    same = [False] * len(mine)
    for block in matcher.get_matching_blocks():
        same[block.a : block.a + block.size] = [True] * block.size
    parts: list[DiffSpan] = []
    begin = 0
    for number, (first, last) in enumerate(spans):
        if first > begin:
            between = number > 0 and not same[number - 1] and not same[number]
            parts = _added(parts, line[begin:first], between)
        parts = _added(parts, line[first:last], not same[number])
        begin = last
    return _added(parts, line[begin:], False) if begin < len(line) else parts


def _added(parts: list[DiffSpan], text: str, differs: bool) -> list[DiffSpan]:
    """Add a stretch, joined to the last one if it is of its kind."""
    if parts and parts[-1].differs == differs:
        return [*parts[:-1], DiffSpan(parts[-1].text + text, differs)]
    return [*parts, DiffSpan(text, differs)]


def read_segment_scores(path: Path, lines: Sequence[str]) -> list[float]:
    """Read a score for each segment from somebody else's file.

    Args:
        path: Where the lines came from.
        lines: A number each, or text that ends with one, as COMET prints.

    Raises:
        InputError: If a line does not end with a finite number.
    """
    found = []
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
        found.append(value)
    return found
