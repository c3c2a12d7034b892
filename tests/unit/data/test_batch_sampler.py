"""Plans of batches as properties, and padding as exact examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data.batch_sampler import PlannedBatch, TokenBatchSampler
from seq2seq.data.collate import collate
from seq2seq.data.corpora import open_corpus
from seq2seq.data.dataset import (
    ParallelDataset,
    ResumePosition,
    TrainDataLoader,
    validation_batches,
)
from seq2seq.types import BOS, EOS, PAD

LENGTHS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60
)
BUDGETS = st.integers(1, 200)
STEPS = st.integers(1, 5)
quick = settings(max_examples=50, deadline=None)


def planned(lengths: list[tuple[int, int]], **options: Any) -> TokenBatchSampler:
    source, target = np.array(lengths).T
    return TokenBatchSampler(source, target, **options)


def rows_of(batches: list[PlannedBatch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


class Plain:
    """Stands in for encoded pairs: every row is its own number, on both sides."""

    def get_pairs(self, numbers: Any) -> tuple[Any, Any]:
        ids = [[int(number) + 4] for number in numbers]
        return ids, ids


def train_batches(plan: TokenBatchSampler, **options: int) -> Iterator[Any]:
    position = ResumePosition(**options)
    return iter(TrainDataLoader(Plain(), plan, position=lambda: position))


def normal_lengths(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths like those of captions: targets near 15, sources near their targets."""
    random = np.random.default_rng(0)
    target = np.clip(np.rint(random.lognormal(2.65, 0.35, count)), 3, 60)
    source = np.clip(np.rint(target * random.lognormal(0.0, 0.18, count)), 2, 70)
    return source.astype(np.int64), target.astype(np.int64)


@quick
@given(LENGTHS, BUDGETS, STEPS, st.integers(0, 5))
def test_every_epoch_covers_every_pair_once(
    lengths: list[tuple[int, int]], budget: int, step: int, epoch: int
) -> None:
    plan = planned(lengths, batch_tokens=budget, batches_per_step=step)
    batches = plan.plan_epoch(epoch)
    assert len(batches) == plan.batches_per_epoch
    assert all(len(batch.indices) for batch in batches)
    rows = [row for batch in rows_of(batches) for row in batch]
    assert sorted(rows) == list(range(len(lengths)))


@quick
@given(LENGTHS, BUDGETS, STEPS, st.integers(0, 2**62), st.integers(0, 1000))
def test_a_plan_depends_on_seed_and_epoch_alone(
    lengths: list[tuple[int, int]], budget: int, step: int, seed: int, epoch: int
) -> None:
    options = {"batch_tokens": budget, "batches_per_step": step, "seed": seed}
    plan = planned(lengths, **options)
    plan.plan_epoch(epoch + 1)  # What was asked before changes nothing.
    again = planned(lengths, **options).plan_epoch(epoch)
    assert rows_of(plan.plan_epoch(epoch)) == rows_of(again)


def test_epochs_and_seeds_differ() -> None:
    source, target = normal_lengths(400)
    plans = [
        TokenBatchSampler(source, target, batch_tokens=200, seed=seed)
        for seed in (0, 1)
    ]
    orders = [rows_of(plan.plan_epoch(epoch)) for plan in plans for epoch in (0, 1)]
    for first, second in [(0, 1), (0, 2), (1, 3), (1, 2)]:
        assert orders[first] != orders[second]
        # Who shares a batch differs as well, not only the order of the batches.
        assert sorted(map(sorted, orders[first])) != sorted(map(sorted, orders[second]))


@quick
@given(LENGTHS, BUDGETS, STEPS)
def test_no_batch_exceeds_the_budget_unless_it_is_one_pair(
    lengths: list[tuple[int, int]], budget: int, step: int
) -> None:
    plan = planned(lengths, batch_tokens=budget, batches_per_step=step)
    for rows in rows_of(plan.plan_epoch(0)):
        longest = max(max(lengths[row]) for row in rows)
        assert len(rows) == 1 or len(rows) * longest <= budget


@quick
@given(LENGTHS, BUDGETS, STEPS)
def test_batches_fill_whole_steps_while_there_are_pairs(
    lengths: list[tuple[int, int]], budget: int, step: int
) -> None:
    alone = planned(lengths, batch_tokens=budget).batches_per_epoch
    plan = planned(lengths, batch_tokens=budget, batches_per_step=step)
    needed = -(-alone // step) * step
    assert plan.batches_per_epoch == min(needed, len(lengths))
    assert plan.steps_per_epoch == -(-plan.batches_per_epoch // step)


@quick
@given(LENGTHS, BUDGETS, STEPS)
def test_tokens_count_the_targets_of_the_whole_step(
    lengths: list[tuple[int, int]], budget: int, step: int
) -> None:
    batches = planned(lengths, batch_tokens=budget, batches_per_step=step).plan_epoch(0)
    for first in range(0, len(batches), step):
        group = batches[first : first + step]
        tokens = sum(lengths[row][1] for rows in rows_of(group) for row in rows)
        assert [batch.num_tokens for batch in group] == [tokens] * len(group)


@quick
@given(st.integers(8, 40), BUDGETS, st.integers(1, 2), st.integers(0, 9))
def test_the_batches_of_all_ranks_are_the_plan(
    count: int, budget: int, accumulate: int, seed: int
) -> None:
    lengths = [(row % 7 + 1, row % 5 + 1) for row in range(count)]
    plan = planned(
        lengths, batch_tokens=budget, batches_per_step=2 * accumulate, seed=seed
    )
    if plan.batches_per_epoch % 2:  # One pair to a batch, and an odd number of them.
        return
    ranks = [train_batches(plan, rank=rank, world_size=2) for rank in (0, 1)]
    together = [next(ranks[i % 2]) for i in range(2 * plan.batches_per_epoch)]
    assert rows_of(together) == rows_of(plan.plan_epoch(0) + plan.plan_epoch(1))


@quick
@given(st.integers(0, 50), st.integers(1, 2))
def test_a_continued_run_sees_what_an_uninterrupted_one_does(
    done: int, ranks: int
) -> None:
    source, target = normal_lengths(60)
    plan = TokenBatchSampler(
        source, target, batch_tokens=80, batches_per_step=2, seed=3
    )
    assert (
        plan.batches_per_epoch // ranks < 50
    )  # So some of these cross an epoch's end.
    options = {"rank": ranks - 1, "world_size": ranks}
    whole = list(islice(train_batches(plan, **options), done + plan.batches_per_epoch))
    rest = islice(
        train_batches(plan, num_batches=done, **options), plan.batches_per_epoch
    )
    assert rows_of(list(rest)) == rows_of(whole[done:])


@pytest.mark.parametrize(
    ("source", "target", "budget"), [([], [], 9), ([1], [1, 2], 9), ([1], [1], 0)]
)
def test_a_plan_of_nothing_is_refused(
    source: list[int], target: list[int], budget: int
) -> None:
    with pytest.raises(ValueError, match="at least"):
        TokenBatchSampler(np.array(source), np.array(target), batch_tokens=budget)


def test_padding_is_scarce() -> None:
    plan = TokenBatchSampler(*normal_lengths(29_000), batch_tokens=4096)
    source, target = plan.padding_efficiency()
    assert source >= 0.80
    assert target >= 0.95


@quick
@given(LENGTHS, BUDGETS)
def test_padding_efficiency_is_that_of_the_batches(
    lengths: list[tuple[int, int]], budget: int
) -> None:
    plan = planned(lengths, batch_tokens=budget)
    for side, share in enumerate(plan.padding_efficiency()):
        padded = sum(
            len(rows) * max(lengths[row][side] for row in rows)
            for rows in rows_of(plan.plan_epoch(0))
        )
        assert share == sum(pair[side] for pair in lengths) / padded


@pytest.mark.realdata
def test_padding_is_scarce_in_multi30k(real_data: Path) -> None:
    corpus = open_corpus(
        str(real_data / "multi30k"), source="en", target="de", split="train"
    )
    token = re.compile(r"\w+|[^\w\s]")
    lengths = [
        (len(token.findall(pair.source)) + 1, len(token.findall(pair.target)) + 1)
        for pair in corpus.read()
    ]
    source, target = planned(lengths, batch_tokens=4096).padding_efficiency()
    assert source >= 0.80
    assert target >= 0.95


def test_collate_pads_and_shifts() -> None:
    batch = collate([[4, 5, 6], [7]], [[8], [9, 10]])
    assert batch.source.tolist() == [[4, 5, 6, EOS], [7, EOS, PAD, PAD]]
    assert batch.source_lengths.tolist() == [4, 2]
    assert batch.inputs.tolist() == [[BOS, 8, PAD], [BOS, 9, 10]]
    assert batch.targets.tolist() == [[8, EOS, PAD], [9, 10, EOS]]
    assert batch.indices.tolist() == [0, 1]
    assert batch.num_tokens == 5
    assert {part.dtype for part in batch[:5]} == {torch.int64}


def test_collate_takes_blank_sentences_and_narrow_ids() -> None:
    batch = collate(
        [np.array([], dtype=np.uint16)],
        [np.array([65_535], dtype=np.uint16)],
        indices=np.array([7]),
        num_tokens=99,
    )
    assert batch.source.tolist() == [[EOS]]
    assert batch.targets.tolist() == [[65_535, EOS]]
    assert batch.indices.tolist() == [7]
    assert batch.num_tokens == 99


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
        for place, row in enumerate(batch.indices.tolist()):
            length = int(batch.source_lengths[place])
            assert batch.source[place, :length].tolist() == [*sources[row], EOS]
        assert batch.num_tokens == int((batch.targets != PAD).sum())
