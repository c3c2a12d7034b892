"""Count lines of two test sentences whose translation equals the two single ones.

    python tests/benchmarks/two_sentences.py RUN [--lines 1000]

RUN is a run of the phrasebook, such as the quickstart. Line i holds the sentences i and
N + i of its test split. Prints one JSON line: how many lines are split between the two
sentences, how many of these have the two single translations, for how many of all lines
that holds where lines are kept, and how many single lines are the same with
`sentences="split"` and `"keep"`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.sentences import split_sentences
from seq2seq.translate import TranslationOptions, Translator


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--lines", type=int, default=1000)
    chosen = parser.parse_args()
    translator, count = Translator.load(chosen.run), chosen.lines
    data = translator.recipe.data
    side = 0 if data.source == "en" else 1
    sentences = [pair[side] for pair in phrase_pairs("test", count=2 * count)]
    pairs = list(zip(sentences[:count], sentences[count:], strict=True))
    lines = [f"{first} {second}" for first, second in pairs]
    split, keep = (
        translator(sentences + lines, options=TranslationOptions(sentences=mode))
        for mode in ("split", "keep")
    )
    expected = [
        f"{first} {second}"
        for first, second in zip(keep[:count], keep[count : 2 * count], strict=True)
    ]
    right = [
        split_sentences(line, data.source) == [f"{first} ", second]
        for line, (first, second) in zip(lines, pairs, strict=True)
    ]
    equal = [a == b for a, b in zip(split[2 * count :], expected, strict=True)]
    result = {
        "lines": count,
        "split_between_the_sentences": sum(right),
        "of_these_equal": sum(a and b for a, b in zip(right, equal, strict=True)),
        "equal_if_kept": sum(
            a == b for a, b in zip(keep[2 * count :], expected, strict=True)
        ),
        "single_lines": 2 * count,
        "single_lines_unchanged": sum(
            a == b for a, b in zip(split[: 2 * count], keep[: 2 * count], strict=True)
        ),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
