"""Time and memory of preparing a corpus, and what its blocking finds.

    python tests/benchmarks/prepare.py speed [--pairs 1000000] [--file corpus.tsv.gz]
    python tests/benchmarks/prepare.py recall corpus.tsv.gz [--lines 40000]
    python tests/benchmarks/prepare.py crossing corpus.tsv.gz [--lines 40000]

`speed` splits a million pairs: processor time of one core, peak memory. Without a file,
their lengths are random and their words as frequent as in Zipf's law; one in ten is
edited from an earlier one. `recall` compares near_groups with a comparison of all
pairs; `crossing` compares all pairs across the splits of split_corpus.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from seq2seq.data.near_duplicates import RATIO, near_groups
from seq2seq.prepare.corpus_reader import read_corpus
from seq2seq.prepare.corpus_writer import TextPair, write_corpus
from seq2seq.prepare.raw_pairs import ImportOptions
from seq2seq.prepare.split import split_corpus
from seq2seq.utils.files import read_lines
from seq2seq.utils.text import fold

BLOCK = 1000


def read_pairs(path: Path, lines: int) -> list[TextPair]:
    """Read lines at random places of a TSV file, the same at each call."""
    rows = [line.split("\t")[:2] for line in read_lines(path)]
    chosen = sorted(random.Random(1).sample(range(len(rows)), min(lines, len(rows))))
    return [(rows[row][0], rows[row][1], "") for row in chosen]


def made_pairs(count: int) -> Iterator[TextPair]:
    """Make pairs of words by Zipf's law; a tenth of them are edits of earlier ones."""
    rng = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"

    def word() -> str:
        return "".join(rng.choices(letters, range(26, 0, -1), k=rng.randint(2, 9)))

    words = [[word() for _ in range(30_000)] for _ in range(2)]
    weights = np.cumsum(1 / np.arange(1, 30_001)).tolist()
    recent: list[tuple[str, str]] = []
    for _ in range(count):
        if recent and rng.random() < 0.1:
            pair = rng.choice(recent)
            sides = [side.split(" ") for side in pair]
            for side, known in zip(sides, words, strict=True):
                side[rng.randrange(len(side))] = rng.choice(known)
        else:
            size = rng.randint(3, 16)
            sides = [rng.choices(known, cum_weights=weights, k=size) for known in words]
        source, target = (" ".join(side) for side in sides)
        recent = [*recent[-999:], (source, target)]
        yield source, target, ""


def measure_speed(pairs: int, path: Path | None, folder: Path) -> None:
    """Split a corpus as the command does, from reading to writing."""
    corpus = folder / "corpus"
    if not corpus.exists():
        rows = read_pairs(path, pairs) if path else list(made_pairs(pairs))
        write_corpus(corpus, ("en", "de"), {"train": rows}, origin={})
        print("the corpus is made; run this again to measure")
        return
    start = time.process_time()
    read = read_corpus(corpus, "train", ImportOptions())
    reading = time.process_time() - start
    parts = split_corpus(read.pairs, valid=500, test=500, seed=1)
    grouping = time.process_time() - start - reading
    rows = {"train": parts.train, "valid": parts.valid, "test": parts.test}
    write_corpus(
        folder / f"split-{time.time_ns()}",
        read.languages,
        {name: [read.pairs[row] for row in part] for name, part in rows.items()},
        origin={},
    )
    total = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(parts.summary())
    print(
        f"{len(read.pairs):,} pairs: {total:.1f} s of processor time (reading "
        f"{reading:.1f}, grouping and drawing {grouping:.1f}), {peak:,.0f} MiB at most"
    )


def all_near(texts: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Yield the near pairs of texts in order of length, by comparing all pairs."""
    lengths = np.array([len(text) for text in texts])
    for start in range(0, len(texts), BLOCK):
        block = texts[start : start + BLOCK]
        longest = lengths[min(start + BLOCK, len(texts)) - 1]
        stop = np.searchsorted(lengths, longest * (200 - RATIO) / RATIO, "right")
        ratios = process.cdist(
            block, texts[start:stop], scorer=fuzz.ratio, score_cutoff=RATIO, workers=1
        )
        first, second = np.nonzero(ratios >= RATIO)
        later = second > first
        yield np.stack([first[later] + start, second[later] + start])


def measure_recall(path: Path, lines: int) -> None:
    """Compare the groups of each side with all near pairs."""
    pairs = read_pairs(path, lines)
    for side in (0, 1):
        texts = sorted({pair[side] for pair in pairs}, key=lambda t: (len(t), t))
        first, second = np.concatenate(list(all_near(texts)), axis=1)
        start = time.process_time()
        groups = near_groups([texts])
        share = (groups[first] == groups[second]).mean()
        print(
            f"side {side + 1}: {len(texts):,} sentences, {len(first):,} near pairs, "
            f"{share:.2%} in one group, {time.process_time() - start:.1f} s"
        )


def measure_crossing(path: Path, lines: int) -> None:
    """Count near pairs, and pairs equal when folded, across the splits."""
    pairs = read_pairs(path, lines)
    parts = split_corpus(pairs, valid=500, test=500, seed=1)
    print(parts.summary())
    splits = [parts.train, parts.valid, parts.test]
    crossing = 0
    for here, there in ((0, 1), (0, 2), (1, 2)):
        for side in (0, 1):
            texts = [[pairs[row][side] for row in splits[i]] for i in (here, there)]
            folded = {fold(text) or text for text in texts[0]}
            crossing += sum((fold(text) or text) in folded for text in texts[1])
            for start in range(0, len(texts[0]), BLOCK):
                ratios = process.cdist(
                    texts[0][start : start + BLOCK],
                    texts[1],
                    scorer=fuzz.ratio,
                    score_cutoff=RATIO,
                    workers=1,
                )
                crossing += int((ratios >= RATIO).sum())
    print(f"{crossing:,} near pairs cross a split")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "recall", "crossing"))
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--lines", type=int, default=40_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("prepare-bench"))
    arguments = parser.parse_args()
    if arguments.what == "speed":
        arguments.folder.mkdir(exist_ok=True)
        measure_speed(arguments.pairs, arguments.file, arguments.folder)
    elif arguments.what == "recall":
        measure_recall(arguments.file, arguments.lines)
    else:
        measure_crossing(arguments.file, arguments.lines)


if __name__ == "__main__":
    main()
