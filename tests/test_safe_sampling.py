"""Segmentations drawn at random: alike everywhere, and as often as they should be."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from seq2seq.recipe import TokenizerOptions
from seq2seq.text.phrasebook import phrase_pairs
from seq2seq.text.sampling import Sampler
from seq2seq.text.tokenizer import Tokenizer, train_tokenizer

LINES = [english for english, _ in phrase_pairs("train", count=200)]

TELL = """
import hashlib, sys
from pathlib import Path
from seq2seq.text.tokenizer import Tokenizer
tokenizer = Tokenizer.load(Path(sys.argv[1]))
lines = Path(sys.argv[2]).read_text(encoding="utf-8").split("\\n")
cut = tokenizer.sample(tokenizer.encode(lines), share=0.3, seed=5)
print(hashlib.sha256(str(cut).encode()).hexdigest())
"""


def trained(kind: Literal["unigram", "bpe"]) -> Tokenizer:
    return train_tokenizer(LINES, TokenizerOptions(kind=kind, vocab_size=200))


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_another_process_cuts_the_same_way(
    kind: Literal["unigram", "bpe"], tmp_path: Path
) -> None:
    tokenizer = trained(kind)
    tokenizer.save(tmp_path / "model")
    (tmp_path / "lines").write_text("\n".join(LINES), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", TELL, tmp_path / "model", tmp_path / "lines"],
        capture_output=True,
        text=True,
        check=True,
    )
    cut = tokenizer.sample(tokenizer.encode(LINES), share=0.3, seed=5)
    assert cut != tokenizer.encode(LINES)
    assert done.stdout.strip() == hashlib.sha256(str(cut).encode()).hexdigest()


def test_a_segmentation_comes_as_often_as_its_probability_says() -> None:
    scores = {"a": -1.0, "b": -1.5, "ab": -1.7, "ba": -2.1, "aba": -2.6, "▁": -0.5}
    scores |= {"▁a": -1.1}
    sampler = Sampler(list(scores), list(scores.values()), 0.7)
    word = "▁abab"
    weights: dict[tuple[str, ...], float] = {}
    for count in range(len(word)):
        for cuts in combinations(range(1, len(word)), count):
            ends = [0, *cuts, len(word)]
            parts = tuple(word[i:j] for i, j in pairwise(ends))
            if all(part in scores for part in parts):
                weights[parts] = math.exp(0.7 * sum(scores[part] for part in parts))
    names = list(scores)
    random, draws = Random(1), 20_000
    found = Counter(
        tuple(names[i] for i in sampler.cut(word, random) or ()) for _ in range(draws)
    )
    assert found.keys() == weights.keys()
    for parts, weight in weights.items():
        share = weight / sum(weights.values())
        error = 5 * math.sqrt(share * (1 - share) / draws)
        assert abs(found[parts] / draws - share) < error, parts


def test_merges_that_are_never_left_out_are_sentencepieces_own() -> None:
    tokenizer = trained("bpe")
    plain = tokenizer.encode(LINES)
    assert tokenizer.sample(plain, share=1e-12, seed=1) == plain


def test_all_merges_left_out_leaves_characters() -> None:
    tokenizer = trained("bpe")
    [cut] = tokenizer.sample(tokenizer.encode(LINES[:1]), share=1 - 1e-12, seed=1)
    assert len(cut) == len(LINES[0]) + 1  # A blank comes before the first.


def test_a_text_without_a_cut_stays_as_it_is() -> None:
    sampler = Sampler(["a", "ab", "ba"], [-1.5, -1.2, -1.1], 0.5)
    assert sampler.cut("abb", Random(1)) is None
    assert sampler.cut("", Random(1)) == []
