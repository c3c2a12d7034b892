"""The dataset, the order of its batches, and mixtures of corpora."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.collate import collate
from seq2seq.data.dataset import (
    ParallelDataset,
    ResumePosition,
    TrainDataLoader,
    mixture_indices,
    open_dataset,
    temperature_weights,
    validation_batches,
)
from seq2seq.data.preprocessing import PreprocessedData, preprocess
from seq2seq.errors import UserError
from seq2seq.recipe import TokenizerOptions
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.types import EOS, PAD
from tests.helpers.corpora import (
    CHARACTERS,
    caption_lengths,
    data_options,
    indices_of,
    make_sampler,
    write_split,
)

BUDGETS = st.integers(1, 200)
quick = settings(max_examples=50)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


class IndexDataset:
    """Stands in for a dataset: every pair is its own index, on both sides."""

    def batch(self, indices: Any, num_tokens: int | None = None) -> Any:
        ids = [[int(index) + 4] for index in indices]
        return collate(ids, ids, indices=indices, num_tokens=num_tokens)


def train_batches(
    sampler: TokenBatchSampler, num_batches: int = 0, **options: int
) -> Iterator[Any]:
    """Iterate over epoch after epoch, as a Trainer does."""
    loader = TrainDataLoader(
        IndexDataset(), sampler, position=lambda: ResumePosition(num_batches, **options)
    )
    while True:
        for batch in loader:
            yield batch
            num_batches += 1
        assert num_batches % len(loader) == 0


@quick
@given(st.integers(2, 10), BUDGETS, st.integers(1, 2), st.integers(0, 9))
def test_the_batches_of_all_ranks_are_the_plan(
    count: int, budget: int, accumulate: int, seed: int
) -> None:
    lengths = [(row % 7 + 1, row % 5 + 1) for row in range(4 * count)]
    sampler = make_sampler(
        lengths, batch_tokens=budget, batches_per_step=2 * accumulate, seed=seed
    )
    ranks = [train_batches(sampler, rank=rank, world_size=2) for rank in (0, 1)]
    together = [next(ranks[i % 2]) for i in range(2 * sampler.batches_per_epoch)]
    assert indices_of(together) == indices_of(
        sampler.plan_epoch(0) + sampler.plan_epoch(1)
    )


def test_ranks_that_the_steps_do_not_divide_among_are_refused() -> None:
    one_pair = make_sampler([(3, 4)], batch_tokens=100)
    with pytest.raises(UserError, match="which 2 processes cannot share evenly"):
        next(train_batches(one_pair, rank=0, world_size=2))


@quick
@given(st.integers(0, 50), st.integers(1, 2))
def test_a_continued_run_sees_what_an_uninterrupted_one_does(
    num_batches: int, world_size: int
) -> None:
    source, target = caption_lengths(60)
    sampler = TokenBatchSampler(
        source, target, batch_tokens=80, batches_per_step=2, seed=3
    )
    per_epoch = sampler.batches_per_epoch
    assert per_epoch // world_size < 50  # So some of these cross an epoch's end.
    options = {"rank": world_size - 1, "world_size": world_size}
    whole = list(islice(train_batches(sampler, **options), num_batches + per_epoch))
    resumed = train_batches(sampler, num_batches=num_batches, **options)
    rest = islice(resumed, per_epoch)
    assert indices_of(list(rest)) == indices_of(whole[num_batches:])


def test_pairs_are_read_across_chunks(tmp_path: Path) -> None:
    ids = pa.large_list(pa.uint16())
    schema = pa.schema([("source", ids), ("target", ids)])
    chunks = [[([4], [5, 6]), ([], [7])], [], [([8, 9, 10], [11])]]
    path = tmp_path / "pairs.arrow"
    with pa.ipc.new_file(str(path), schema) as writer:
        for chunk in chunks:
            sides = [pa.array([pair[i] for pair in chunk], ids) for i in (0, 1)]
            writer.write_batch(pa.record_batch(sides, schema=schema))
    pairs = ParallelDataset(path)
    assert len(pairs) == 3
    assert pairs.source.lengths.tolist() == [1, 0, 3]
    assert [pairs.source[row].tolist() for row in range(3)] == [[4], [], [8, 9, 10]]
    assert [pairs.target[row].tolist() for row in range(3)] == [[5, 6], [7], [11]]
    rows = np.array([2, 0])
    batch = collate(*pairs.get_pairs(rows), indices=rows, num_tokens=50)
    assert batch.source.tolist() == [[8, 9, 10, EOS], [4, EOS, PAD, PAD]]
    assert batch.targets.tolist() == [[11, EOS, PAD], [5, 6, EOS]]
    assert batch.indices.tolist() == [2, 0]
    assert batch.num_tokens == 50


def test_validation_covers_every_pair_with_its_row() -> None:
    sources = [[4] * (row % 5) for row in range(20)]
    targets = [[5] * (row % 3 + 1) for row in range(20)]
    batches = validation_batches(sources, targets, batch_tokens=16)
    rows = [row for batch in batches for row in batch.indices.tolist()]
    assert sorted(rows) == list(range(20))
    for batch in batches:
        for position, row in enumerate(batch.indices.tolist()):
            length = int(batch.source_lengths[position])
            assert batch.source[position, :length].tolist() == [*sources[row], EOS]
        assert batch.num_tokens == int((batch.targets != PAD).sum())


def sources(preprocessed: PreprocessedData, pairs: ParallelDataset) -> list[str]:
    ids, _ = pairs.get_pairs(np.arange(len(pairs)))
    return preprocessed.tokenizers.source.decode(
        [np.asarray(row).tolist() for row in ids]
    )


def test_corpora_are_mixed_by_weight(tmp_path: Path) -> None:
    main = write_split(tmp_path / "main", "train", [("a", "b"), ("c", "d")])
    often = write_split(
        tmp_path / "often", "extra", [("e", "f"), ("a", "b"), ("g", "h")]
    )
    seldom = write_split(
        tmp_path / "seldom", "train", [(c, f"{c} {c}") for c in "ijklmn"]
    )
    extra = {"path": str(often), "split": "extra", "weight": 2.5}
    options = data_options(main, mix=[extra, {"path": str(seldom), "weight": 0.5}])
    messages: list[str] = []
    preprocessed = preprocess(options, CHARACTERS, messages.append)
    # A pair of two corpora counts once.
    assert preprocessed.stats.kept_per_corpus == [2, 2, 6]
    assert preprocessed.stats.duplicate == 1
    assert "and 2 more" in messages[-1]
    expected = ["a", "c", "e", "e", "e", "g", "g", "i", "k", "m"]
    assert sources(preprocessed, open_dataset(preprocessed, options)) == expected
    # Other weights are the same text.
    other = data_options(main, mix=[{**extra, "weight": 1.0}, {"path": str(seldom)}])
    again = preprocess(other, CHARACTERS, messages.append)
    assert again.path == preprocessed.path
    assert sources(again, open_dataset(again, other)) == list("aceg" + "ijklmn")
    alone = preprocess(data_options(main), CHARACTERS, messages.append)
    assert alone.path != preprocessed.path


def test_a_corpus_that_adds_nothing_is_named_and_a_small_one_keeps_a_row(
    tmp_path: Path,
) -> None:
    main = write_split(tmp_path / "main", "train", [(c, c + c) for c in "abcdef"])
    copy = write_split(tmp_path / "copy", "train", [("a", "aa")])
    small = write_split(tmp_path / "small", "train", [("g", "gg"), ("h", "hh")])
    mix = [{"path": str(copy)}, {"path": str(small), "weight": 0.01}]
    options = data_options(main, mix=mix)
    for _ in range(2):  # The second time from the cache.
        messages: list[str] = []
        preprocessed = preprocess(options, CHARACTERS, messages.append)
        warnings = [line for line in messages if line.startswith("warning: ")]
        assert len(warnings) == 1
        assert warnings[0].startswith(f"warning: {copy / 'train.en'} and ")
    pairs = open_dataset(preprocessed, options)
    assert sources(preprocessed, pairs) == list("abcdefg")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.01, 5.0)), max_size=5))
def test_every_row_comes_as_often_as_its_weight_says(
    corpora: list[tuple[int, float]],
) -> None:
    rows = mixture_indices(
        [count for count, _ in corpora], [weight for _, weight in corpora]
    )
    times = np.bincount(rows, minlength=sum(count for count, _ in corpora))
    first = 0
    for count, weight in corpora:
        repeats = times[first : first + count]
        assert repeats.sum() == max(round(count * weight), 1 if count else 0)
        assert count == 0 or repeats.max() - repeats.min() <= 1
        first += count


def test_temperature_makes_shares_as_the_size_to_the_power_of_one_over_t(
    tmp_path: Path,
) -> None:
    main = write_split(
        tmp_path / "main", "train", [(f"a {i}", f"b {i}") for i in range(64)]
    )
    small = write_split(
        tmp_path / "small", "train", [(f"c {i}", f"d {i}") for i in range(4)]
    )
    for temperature, times in ((1, 1), (2, 4), (100, 16)):
        options = data_options(
            main, mix=[{"path": str(small)}], temperature=temperature
        )
        preprocessed = preprocess(
            options, TokenizerOptions(vocab_size=20), lambda line: None
        )
        indices = open_dataset(preprocessed, options).indices
        assert np.bincount(indices)[:64].tolist() == [1] * 64
        # Of 64 and 4 pairs the roots are as 4 to 1, and so are 64 and 16.
        assert np.bincount(indices)[64:].mean() == pytest.approx(times, rel=0.05)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.floats(1, 50))
def test_tempered_weights_give_the_shares_and_leave_nothing_out(
    sizes: list[int], temperature: float
) -> None:
    weights = temperature_weights(sizes, temperature)
    counts = np.array(sizes) * weights
    shares = np.array(sizes, dtype=float) ** (1 / temperature)
    np.testing.assert_allclose(counts / counts.sum(), shares / shares.sum(), rtol=1e-9)
    assert min(weights) == pytest.approx(1.0)


def test_temperature_is_refused_where_it_would_do_nothing_or_too_much() -> None:
    with pytest.raises(ValueError, match=r"data\.mix names no other"):
        data_options("any", temperature=5)
    mixed = [{"path": "other", "weight": 2.0}]
    with pytest.raises(ValueError, match="leave one of them out"):
        data_options("any", temperature=5, mix=mixed)


def test_a_mixture_survives_a_round_trip(tmp_path: Path) -> None:
    recipe = read_recipe(
        "quickstart", ["data.mix=[{path: more, weight: 2.0}, {path: yet/more}]"]
    )
    assert [mixed.weight for mixed in recipe.data.mix] == [2.0, 1.0]
    copy = tmp_path / "copy.yaml"
    copy.write_text(recipe_yaml(recipe), encoding="utf-8")
    assert read_recipe(str(copy)) == recipe
