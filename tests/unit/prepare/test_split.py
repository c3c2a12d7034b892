"""Splits of a corpus: no near duplicate crosses, and the same seed gives the same."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from seq2seq.data.corpora import open_corpus
from seq2seq.data.near_duplicates import is_near
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.prepare.split import split_corpus
from tests.helpers.cli import invoke

PAIRS = [(*pair, "") for pair in phrase_pairs("train", count=400, seed=0)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [json.dumps({"en": s, "de": t}) + "\n" for s, t, _ in PAIRS]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.jsonl").write_text("".join(rows), encoding="utf-8")
    return tmp_path / "in"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(
    tmp_path: Path, corpus: Path
) -> None:
    outputs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command = ["data", "split", str(corpus), str(tmp_path / name)]
        options = ["--valid", "20", "--test", "30", "--seed", str(seed)]
        assert invoke(*command, *options)[0] == 0
        files = sorted((tmp_path / name).iterdir())
        outputs.append({path.name: path.read_bytes() for path in files})
    assert outputs[0] == outputs[1]
    assert outputs[0]["test.jsonl"] != outputs[2]["test.jsonl"]
    assert sorted(outputs[0]) == [
        *("data.json", "test.jsonl", "train.jsonl", "valid.jsonl")
    ]
    splits = {"train": 350, "valid": 20, "test": 30}
    read = {
        split: list(
            open_corpus(
                str(tmp_path / "a"), source="en", target="de", split=split
            ).read()
        )
        for split in splits
    }
    assert {split: len(pairs) for split, pairs in read.items()} == splits
    together = [tuple(pair) for pairs in read.values() for pair in pairs]
    assert sorted(together) == sorted(pair[:2] for pair in PAIRS)


def test_no_near_duplicate_crosses_a_split() -> None:
    parts = split_corpus(PAIRS, valid=20, test=30, seed=3)
    splits = [parts.train, parts.valid, parts.test]
    for first, second in itertools.combinations(splits, 2):
        for a, b in itertools.product(first, second):
            for side in (0, 1):
                assert not is_near(PAIRS[a][side], PAIRS[b][side])


def test_sources_of_one_target_stay_together_and_blank_pairs_in_train() -> None:
    names = ["".join(random.Random(n).choices("abcdefgh", k=30)) for n in range(400)]
    pairs = [(name, names[n // 2][::-1], "") for n, name in enumerate(names)]
    pairs += [("", "x y z", ""), ("z y x", " ", "")]
    for seed in range(5):
        parts = split_corpus(pairs, valid=40, test=40, seed=seed)
        splits = [
            {pairs[row][1] for row in rows}
            for rows in (parts.train, parts.valid, parts.test)
        ]
        assert sum(map(len, splits)) == len({pair[1] for pair in pairs})
        assert {400, 401} <= {*parts.train}


def test_documents_stay_together() -> None:
    pairs = [(s, t, f"chapter {row // 10}") for row, (s, t, _) in enumerate(PAIRS)]
    # Sentences of the phrasebook are near across documents; random letters are not.
    names = ["".join(random.Random(n).choices("abcdefgh", k=30)) for n in range(400)]
    pairs = [(names[n], names[n][::-1], pair[2]) for n, pair in enumerate(pairs)]
    parts = split_corpus(pairs, valid=30, test=30, seed=0)
    splits = [
        {pairs[row][2] for row in rows}
        for rows in (parts.train, parts.valid, parts.test)
    ]
    assert [len(split) for split in splits] == [34, 3, 3]
    assert not splits[0] & splits[1] | splits[0] & splits[2] | splits[1] & splits[2]


def test_too_small_a_corpus_is_refused_with_what_would_work() -> None:
    with pytest.raises(UserError, match="This would do: --valid 50 --test 50") as error:
        split_corpus(PAIRS, valid=500, test=500)
    assert "400 pairs" in str(error.value)
    assert split_corpus(PAIRS, valid=50, test=50).test
    same = [(f"We buy {n} breads.", f"Wir kaufen {n} Brote.", "") for n in range(400)]
    with pytest.raises(UserError, match="too few pairs without near duplicates"):
        split_corpus(same, valid=50, test=50)
