"""Naive Bayes gives the probabilities worked out by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from seq2seq.baselines.naive_bayes import fit_best_naive_bayes, fit_naive_bayes
from seq2seq.metrics.classification import accuracy


def posterior(text: str | list[str], **options: object) -> float:
    """Return p(x | text) after two texts of class x and one of y."""
    texts: list[str | list[str]] = ["aab", "", "b"]
    if isinstance(text, list):
        texts = [list(x) for x in texts]
    model = fit_naive_bayes(texts, ["x", "x", "y"], **options)  # type: ignore[arg-type]
    assert model.labels == ("x", "y")
    return float(np.exp(model.log_probs([text]))[0, 0])


def test_counts_are_smoothed_by_alpha() -> None:
    # p(a|x) = (2+1)/(3+2), p(b|x) = 2/5; p(a|y) = 1/3, p(b|y) = 2/3; p(x) = 2/3.
    x, y = 2 / 3 * 3 / 5 * 3 / 5 * 2 / 5, 1 / 3 * 1 / 3 * 1 / 3 * 2 / 3
    expected = pytest.approx(x / (x + y))
    assert posterior("aab", order=1, binary=False) == expected
    assert posterior(["a", "a", "b"], order=1, binary=False) == expected


def test_presence_counts_an_ngram_once_in_a_text() -> None:
    # p(a|x) = p(b|x) = (1+1)/(2+2).
    x, y = 2 / 3 * 1 / 2 * 1 / 2, 1 / 3 * 1 / 3 * 2 / 3
    assert posterior("aab", order=1, binary=True) == pytest.approx(x / (x + y))


def test_pairs_are_features_beside_single_units() -> None:
    # Features a, b, aa, ab: in x each (1+1)/(4+4); in y a and ab 1/5, b 2/5.
    x, y = 2 / 3 * (2 / 8) ** 3, 1 / 3 * 1 / 5 * 1 / 5 * 2 / 5
    assert posterior("ab", order=2) == pytest.approx(x / (x + y))
    assert posterior(["a", "b"], order=2) == pytest.approx(x / (x + y))


def test_without_a_known_ngram_the_prior_decides() -> None:
    assert posterior("zz") == pytest.approx(2 / 3)
    assert posterior("") == pytest.approx(2 / 3)


def test_what_is_best_on_validation_is_chosen() -> None:
    # Only the order of two letters tells the classes apart.
    texts, labels = ["ab", "ba"] * 4, ["x", "y"] * 4
    model = fit_best_naive_bayes((texts, labels), (["ab", "ba"], ["x", "y"]))
    assert model.order == 2
    assert model.predict(["ba", "ab"]) == ["y", "x"]
    # Only counts tell these apart: a is 1/2 of x, 3/4 of y.
    texts, labels = ["ab", "aaab"] * 4, ["x", "y"] * 4
    model = fit_best_naive_bayes((texts, labels), (texts, labels), max_order=1)
    assert not model.binary


@pytest.mark.realdata
def test_accuracy_on_chinese_reviews(real_data: Path) -> None:
    def read(split: str) -> tuple[list[str], list[str]]:
        path = real_data / "lecture" / "reviews-zh" / f"{split}.tsv.gz"
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
        rows = [line.split("\t", 1) for line in lines]
        return [text for _, text in rows], [label for label, _ in rows]

    model = fit_naive_bayes(*read("train"), order=3, binary=True, alpha=0.3)
    for split, expected in (("valid", 79.33), ("test", 81.06)):
        texts, labels = read(split)
        result = accuracy(model.predict(texts), labels)
        assert result.score == pytest.approx(expected, abs=0.01)
