"""BLEU as the literature on Multi30k counts it: Moses-tokenised, and lower-cased.

    pip install sacremoses
    python tests/benchmarks/moses_bleu.py hypotheses.txt references.de --language de

Both files are tokenised as the Moses scripts do (punctuation normalised, hyphens not
split, nothing escaped), then counted by sacreBLEU without a tokenizer of its own:
what multi-bleu.perl gives. Beside it stands sacreBLEU's 13a, the figure to publish
(Post 2018): scores of different tokenisations cannot be compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU

from seq2seq.utils.files import read_lines


def moses(lines: list[str], language: str) -> list[str]:
    """Tokenise lines."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
    return [
        tokenizer.tokenize(normalizer.normalize(line), return_str=True, escape=False)
        for line in lines
    ]


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("hypothesis", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--language", required=True)
    arguments = parser.parse_args()
    sides = [
        list(read_lines(path)) for path in (arguments.hypothesis, arguments.reference)
    ]
    tokenised = [moses(lines, arguments.language) for lines in sides]
    for name, (hypotheses, references), tokenizer in (
        ("sacreBLEU 13a", sides, "13a"),
        ("Moses", tokenised, "none"),
    ):
        for lowercase in (False, True):
            metric = BLEU(tokenize=tokenizer, lowercase=lowercase, force=True)
            score = metric.corpus_score(hypotheses, [references]).score
            print(f"{name}, {'lower-cased' if lowercase else 'cased'}\t{score:.2f}")


if __name__ == "__main__":
    main()
