"""The phrasebook's splits: always the same, apart, diverse, and clean text."""

import hashlib
import itertools

import pytest

from seq2seq.data.phrasebook.corpus import Pair, Split, held_out, phrase_pairs
from seq2seq.data.phrasebook.lexicon import NOUN, VERB, VERBS

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
FROZEN: dict[Split, str] = {
    "train": "7cf302a9e6b7adc4",
    "valid": "ce8e0d00e9bba873",
    "test": "1aea2ce498fa2973",
}


@pytest.fixture(scope="module")
def train() -> list[Pair]:
    return list(phrase_pairs("train", count=200_000))


@pytest.fixture(scope="module")
def unseen() -> list[Pair]:
    return list(phrase_pairs("test", count=2000))


@pytest.fixture(scope="module")
def valid() -> list[Pair]:
    return list(phrase_pairs("valid", count=2000))


def forms(pairs: list[Pair], side: int) -> set[str]:
    return {w for p in pairs for w in p[side][:-1].replace(",", "").lower().split()}


@pytest.mark.parametrize("split", SPLITS)
def test_the_first_thousand_pairs_never_change_without_a_new_version(
    split: Split,
) -> None:
    text = "\n".join("\t".join(pair) for pair in phrase_pairs(split, count=1000))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == FROZEN[split]


@pytest.mark.parametrize("split", SPLITS)
def test_a_smaller_count_is_the_beginning_of_a_larger_one(split: Split) -> None:
    longer = phrase_pairs(split, count=500)
    assert list(itertools.islice(longer, 200)) == list(phrase_pairs(split, count=200))


def test_another_seed_draws_other_sentences() -> None:
    first, second = (list(phrase_pairs("train", count=50, seed=s)) for s in (0, 1))
    assert first != second


@pytest.mark.slow
def test_one_english_sentence_has_one_german_translation(
    train: list[Pair], valid: list[Pair], unseen: list[Pair]
) -> None:
    german: dict[str, str] = {}
    for source, target in (*train, *valid, *unseen):
        assert german.setdefault(source, target) == target


@pytest.mark.slow
def test_no_held_out_sentence_occurs_in_train(
    train: list[Pair], valid: list[Pair], unseen: list[Pair]
) -> None:
    known = {english for english, _ in train}
    assert known.isdisjoint(english for english, _ in valid)
    assert known.isdisjoint(english for english, _ in unseen)
    assert {e for e, _ in valid}.isdisjoint(e for e, _ in unseen)


def test_held_out_splits_have_no_duplicates(
    valid: list[Pair], unseen: list[Pair]
) -> None:
    assert len(set(valid)) == len(valid)
    assert len(set(unseen)) == len(unseen)


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
def test_nearly_every_held_out_word_form_occurs_in_the_first_120000_train_pairs(
    train: list[Pair], valid: list[Pair], unseen: list[Pair], side: int
) -> None:
    known = forms(train[:120_000], side)
    held = forms(valid, side) | forms(unseen, side)
    assert len(held & known) / len(held) > 0.99


@pytest.mark.slow
def test_held_out_combinations_never_occur_in_train(train: list[Pair]) -> None:
    """Look for adjacent held-out adjectives and nouns in the text itself."""
    held = {
        f" {adjective.english} {form} "
        for noun in NOUN.values()
        for adjective in noun.adjectives
        for form in noun.english
        if form and held_out(noun.english[0], adjective.english)
    }
    assert len(held) > 50
    tokens = (f"{pair[0][:-1]}".split() for pair in train)
    seen = {f" {a} {b} " for words in tokens for a, b in itertools.pairwise(words)}
    assert held.isdisjoint(seen)


def test_a_few_percent_of_combinations_are_held_out_for_each_split() -> None:
    marks = [held_out(verb, noun) for verb in VERB for noun in NOUN]
    for split in (1, 2):
        assert 0.02 < marks.count(split) / len(marks) < 0.04


@pytest.mark.slow
def test_sentences_are_diverse_and_of_moderate_length(train: list[Pair]) -> None:
    assert len(set(train)) > 130_000  # Of 200,000: words are as unequal as in any text.
    lengths = [len(english.split()) for english, _ in train]
    assert 6 <= sum(lengths) / len(lengths) <= 8
    assert min(lengths) >= 2
    assert max(lengths) <= 12


def test_plain_transitive_statements_alone_exceed_five_million() -> None:
    determiners = 10  # the, a, this, my, your, his, her, our, their and a plural
    phrases = {noun: determiners * (1 + len(noun.adjectives)) for noun in NOUN.values()}
    total = sum(
        sum(phrases[noun] for noun in verb.subjects)
        * sum(phrases[noun] for noun in verb.objects)
        for verb in VERBS
        if verb.frame == "accusative"
    )
    assert total > 5_000_000


@pytest.mark.slow
def test_every_sentence_is_clean_text(train: list[Pair]) -> None:
    for pair in train:
        assert pair[0][-1] == pair[1][-1] in ".?"
        for text in pair:
            assert text.isprintable()
            assert text[0].isupper()
            assert "  " not in text
            assert " ." not in text
            assert " ," not in text


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="no split 'dev'; use one of train, valid"):
        phrase_pairs("dev", count=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count is -1"):
        phrase_pairs("train", count=-1)
