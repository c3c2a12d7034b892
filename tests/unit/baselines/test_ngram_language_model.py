"""N-gram probabilities are those worked out by hand, and sum to one."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seq2seq.baselines.ngram_language_model import (
    Smoothing,
    fit_best_order,
    fit_ngram_model,
    kneser_ney_discounts,
)

ABA = [[0, 1, 0]]  # "aba" over the vocabulary {a, b, c}.


def test_witten_bell_is_as_computed_by_hand() -> None:
    model = fit_ngram_model(ABA, vocab_size=3, order=2, smoothing="witten_bell")
    # Unigrams: a twice, b once, two types: (c + 2 * 1/3) / (3 + 2).
    unigrams = np.array([8 / 15, 1 / 3, 2 / 15])
    assert np.exp(model.next_log_probs([2])) == pytest.approx(unigrams)
    # After a: b, once; one type: (c + 1 * unigram) / (1 + 1).
    after_a = np.array([8 / 30, (1 + 1 / 3) / 2, 2 / 30])
    assert np.exp(model.next_log_probs([0])) == pytest.approx(after_a)
    # At the start: a, once. So p(ab) is 23/30 * 2/3.
    assert np.exp(model.log_probs([0, 1])) == pytest.approx([23 / 30, 2 / 3])


def test_kneser_ney_counts_what_stands_before_a_token() -> None:
    model = fit_ngram_model(ABA, vocab_size=3, order=2)
    # a follows the start and b, b follows a: 2 and 1 of 3, discounts 1 and 0.5, which
    # leave 1.5 of 3 for the uniform distribution.
    unigrams = np.array([(1 + 0.5) / 3, (0.5 + 0.5) / 3, 0.5 / 3])
    assert np.exp(model.next_log_probs([2])) == pytest.approx(unigrams)
    after_a = np.array([0.5 / 2, 0.5 + 0.5 / 3, 0.5 / 6])
    assert np.exp(model.next_log_probs([0])) == pytest.approx(after_a)


def test_discounts_are_those_of_chen_and_goodman() -> None:
    # n1..n4 = 4, 2, 1, 1: Y = 4/8; 1 - 2Y * 2/4, 2 - 3Y * 1/2, 3 - 4Y * 1/1.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])
    assert kneser_ney_discounts(counts) == pytest.approx([0, 0.5, 1.25, 1])
    assert kneser_ney_discounts(counts[:-2]) == pytest.approx([0, 0.5, 1, 1.5])
    # n1..n4 = 1, 1, 1, 5: the third formula gives 3 - 4/3 * 5 < 0.
    counts = np.array([1, 2, 3, 4, 4, 4, 4, 4])
    assert kneser_ney_discounts(counts) == pytest.approx([0, 0.5, 1, 1.5])


def test_trigrams_are_related_as_in_nltks_table() -> None:
    # NLTK's test of WittenBellInterpolated: abcd and egadbe, and their ends. c and e
    # follow b, c alone ab; zb does not occur.
    letters = "abcdeg$z"
    text = [[letters.index(x) for x in line] for line in ("abcd$", "egadbe$")]
    model = fit_ngram_model(text, vocab_size=8, order=3, smoothing="witten_bell")

    def c_after(context: str) -> float:
        ids = [letters.index(x) for x in context]
        return float(np.exp(model.next_log_probs(ids)[letters.index("c")]))

    unigram = (1 + 7 / 8) / (12 + 7)
    assert c_after("zb") == pytest.approx(0.5 * 0.5 + 0.5 * unigram)
    assert c_after("ab") == pytest.approx(0.5 + 0.5 * c_after("zb"))


@pytest.mark.parametrize("smoothing", ["witten_bell", "kneser_ney"])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_probabilities_sum_to_one_and_one_call_equals_token_by_token(
    smoothing: Smoothing, order: int
) -> None:
    random = np.random.default_rng(3)
    train = [random.integers(6, size=n) ** 2 // 6 for n in (40, 1, 0, 30)]
    model = fit_ngram_model(train, vocab_size=7, order=order, smoothing=smoothing)
    tokens = random.integers(7, size=12)
    steps = [model.next_log_probs(tokens[:t]) for t in range(len(tokens))]
    assert np.exp(steps).sum(axis=1) == pytest.approx(1)
    assert [step[i] for step, i in zip(steps, tokens, strict=True)] == pytest.approx(
        model.log_probs(tokens)
    )


@pytest.mark.parametrize("smoothing", ["witten_bell", "kneser_ney"])
def test_arrays_equal_a_recursion_over_counted_tuples(smoothing: Smoothing) -> None:
    random = np.random.default_rng(6)
    text = [(4, 4, *(random.integers(4, size=60) ** 2 // 4).tolist()) for _ in range(3)]
    model = fit_ngram_model(
        [line[2:] for line in text], vocab_size=4, order=3, smoothing=smoothing
    )

    def counts(n: int) -> Counter[tuple[int, ...]]:
        """Tokens of each n-gram, or with Kneser-Ney types before a shorter one."""
        longer = 3 if smoothing == "witten_bell" or n == 3 else n + 1
        grams = [line[i - longer + 1 : i + 1] for line in text for i in range(2, 62)]
        types = set(grams) if smoothing == "kneser_ney" and n < 3 else grams
        return Counter(gram[-n:] for gram in types)

    def prob(context: tuple[int, ...], token: int) -> float:
        if len(context) == 3:
            return prob(context[1:], token)
        counted = counts(len(context) + 1)
        lower = prob(context[1:], token) if context else 1 / 4
        followers = {gram: c for gram, c in counted.items() if gram[:-1] == context}
        total = sum(followers.values())
        if not total:
            return lower
        table = np.ones(4)
        if smoothing == "kneser_ney":
            table = kneser_ney_discounts(np.array(list(counted.values())))
        discounts = {gram: table[min(c, 3)] for gram, c in followers.items()}
        count, held_out = followers.get((*context, token), 0), sum(discounts.values())
        if smoothing == "witten_bell":
            return (count + held_out * lower) / (total + held_out)
        discount = discounts.get((*context, token), 0.0)
        return (count - discount + held_out * lower) / total

    for context in [(4, 4), (4, 0), (0, 0), (1, 2), (2, 1), (3, 3)]:
        ids = [token for token in context if token < 4]
        expected = [prob(context, token) for token in range(4)]
        assert np.exp(model.next_log_probs(ids)) == pytest.approx(expected)


def test_no_ngram_crosses_sequences() -> None:
    model = fit_ngram_model(
        [[0, 1], [2, 1]], vocab_size=3, order=2, smoothing="witten_bell"
    )
    # Nothing follows 1, so its distribution is that of unigrams: (c + 3/3) / (4 + 3).
    assert np.exp(model.next_log_probs([1])) == pytest.approx([2 / 7, 3 / 7, 2 / 7])


def test_the_order_is_chosen_on_validation() -> None:
    # A token is the sum of the two before it, modulo 3: of one alone nothing is learnt.
    random = np.random.default_rng(4)
    tokens = list(random.integers(3, size=2))
    for _ in range(3000):
        noise = int(random.random() < 0.1)
        tokens.append((tokens[-1] + tokens[-2] + noise) % 3)
    model = fit_best_order([tokens[:2000]], [tokens[2000:]], vocab_size=3)
    assert model.order == 3


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("smoothing", "order", "nats"),
    [("witten_bell", 6, 1.5902), ("kneser_ney", 7, 1.4530)],
)
def test_nats_a_character_of_tinyshakespeare(
    real_data: Path, smoothing: Smoothing, order: int, nats: float
) -> None:
    folder = real_data / "lecture" / "shakespeare"
    train, valid = (
        np.frombuffer(gzip.decompress((folder / name).read_bytes()), dtype=np.uint8)
        for name in ("train.en.gz", "valid.en.gz")
    )
    ids = np.searchsorted(np.unique(train), valid)
    model = fit_ngram_model(
        [np.searchsorted(np.unique(train), train)],
        vocab_size=65,
        order=order,
        smoothing=smoothing,
    )
    log_probs = model.log_probs(ids)
    assert -log_probs.mean() == pytest.approx(nats, abs=1e-4)
    if (smoothing, order) == ("witten_bell", 6):
        assert -log_probs[:20_000].mean() == pytest.approx(1.572, abs=1e-3)
