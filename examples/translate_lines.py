"""Translate lines of standard input with a trained run.

seq2seq train quickstart
echo "The old man buys a red car." | python examples/translate_lines.py runs/quickstart
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

from seq2seq.translate import TranslationOptions, Translator


def main(run: str, lines: Iterable[str]) -> None:
    """Print each line's translation, with its score and the runners-up.

    Args:
        run: A run folder, or a checkpoint in one.
        lines: Source sentences.
    """
    # Keys of the recipe's search section can be overridden, as by `-o`.
    translator = Translator.load(run, overrides=["search.beam_size=5"])

    # Text in, text out: a string for each line, in order.
    lines = [line.rstrip("\n") for line in lines]
    for line, text in zip(lines, translator(lines), strict=True):
        print(f"{line} -> {text}")

    # The n-best list of each line, with scores (log-probability by length penalty) and
    # confidence (mean log-probability of the tokens).
    options = TranslationOptions(n_best=3)
    for translation in translator.translate_batch(lines, options):
        for hypothesis in translation.n_best:
            confidence = math.exp(hypothesis.confidence)
            print(f"  {hypothesis.score:.3f} {confidence:.0%} {hypothesis.translation}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/translate_lines.py RUN < LINES")
    main(sys.argv[1], sys.stdin)
