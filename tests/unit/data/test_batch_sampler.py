"""Batch sampling as properties, and its padding on lengths like those of captions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.corpora import open_corpus
from seq2seq.errors import UserError
from tests.helpers.corpora import caption_lengths, indices_of, make_sampler

LENGTHS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60
)
BUDGETS = st.integers(1, 200)
STEPS = st.integers(1, 5)
# As many pairs as whole steps can need.
PLANS = st.tuples(LENGTHS, STEPS).map(lambda plan: (plan[0] * plan[1], plan[1]))
quick = settings(max_examples=50)


@quick
@given(PLANS, BUDGETS, st.integers(0, 5))
def test_every_epoch_covers_every_pair_once(
    plan: tuple[list[tuple[int, int]], int], budget: int, epoch: int
) -> None:
    lengths, step = plan
    sampler = make_sampler(lengths, batch_tokens=budget, batches_per_step=step)
    batches = sampler.plan_epoch(epoch)
    assert len(batches) == sampler.batches_per_epoch
    assert all(len(batch.indices) for batch in batches)
    indices = [index for batch in indices_of(batches) for index in batch]
    assert sorted(indices) == list(range(len(lengths)))


@quick
@given(PLANS, BUDGETS, st.integers(0, 2**62), st.integers(0, 1000))
def test_a_plan_depends_on_seed_and_epoch_alone(
    plan: tuple[list[tuple[int, int]], int], budget: int, seed: int, epoch: int
) -> None:
    lengths, step = plan
    options = {"batch_tokens": budget, "batches_per_step": step, "seed": seed}
    sampler = make_sampler(lengths, **options)
    sampler.plan_epoch(epoch + 1)  # Earlier calls change nothing.
    again = make_sampler(lengths, **options).plan_epoch(epoch)
    assert indices_of(sampler.plan_epoch(epoch)) == indices_of(again)


def test_epochs_and_seeds_differ() -> None:
    source, target = caption_lengths(400)
    samplers = [
        TokenBatchSampler(source, target, batch_tokens=200, seed=seed)
        for seed in (0, 1)
    ]
    orders = [
        indices_of(sampler.plan_epoch(epoch))
        for sampler in samplers
        for epoch in (0, 1)
    ]
    for first, second in [(0, 1), (0, 2), (1, 3), (1, 2)]:
        assert orders[first] != orders[second]
        # The pairs of a batch differ as well, not only the order of the batches.
        assert sorted(map(sorted, orders[first])) != sorted(map(sorted, orders[second]))


@quick
@given(PLANS, BUDGETS)
def test_no_batch_exceeds_the_budget_unless_it_is_one_pair(
    plan: tuple[list[tuple[int, int]], int], budget: int
) -> None:
    lengths, step = plan
    sampler = make_sampler(lengths, batch_tokens=budget, batches_per_step=step)
    for rows in indices_of(sampler.plan_epoch(0)):
        max_length = max(max(lengths[row]) for row in rows)
        assert len(rows) == 1 or len(rows) * max_length <= budget


@quick
@given(PLANS, BUDGETS)
def test_batches_fill_whole_steps(
    plan: tuple[list[tuple[int, int]], int], budget: int
) -> None:
    lengths, step = plan
    alone = make_sampler(lengths, batch_tokens=budget).batches_per_epoch
    sampler = make_sampler(lengths, batch_tokens=budget, batches_per_step=step)
    assert sampler.batches_per_epoch == -(-alone // step) * step
    assert sampler.steps_per_epoch == sampler.batches_per_epoch // step


def test_pairs_that_fill_no_whole_step_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        make_sampler([(3, 4)], batch_tokens=100, batches_per_step=2)
    assert str(caught.value) == (
        "1 pair can make 1 batch, but an optimizer step needs 2: "
        "train.accumulate_grad_batches for each of the processes (--devices). Lower "
        "either, or add text."
    )
    with pytest.raises(UserError, match="3 pairs can make 3 batches"):
        make_sampler([(3, 4)] * 3, batch_tokens=4, batches_per_step=2)


@quick
@given(PLANS, BUDGETS)
def test_tokens_count_the_targets_of_the_whole_step(
    plan: tuple[list[tuple[int, int]], int], budget: int
) -> None:
    lengths, step = plan
    batches = make_sampler(
        lengths, batch_tokens=budget, batches_per_step=step
    ).plan_epoch(0)
    for first in range(0, len(batches), step):
        group = batches[first : first + step]
        tokens = sum(lengths[row][1] for rows in indices_of(group) for row in rows)
        assert [batch.num_tokens for batch in group] == [tokens] * len(group)


@pytest.mark.parametrize(
    ("source", "target", "budget"), [([], [], 9), ([1], [1, 2], 9), ([1], [1], 0)]
)
def test_a_plan_of_nothing_is_refused(
    source: list[int], target: list[int], budget: int
) -> None:
    with pytest.raises(ValueError, match="at least"):
        TokenBatchSampler(np.array(source), np.array(target), batch_tokens=budget)


def test_padding_is_scarce() -> None:
    sampler = TokenBatchSampler(*caption_lengths(29_000), batch_tokens=4096)
    source, target = sampler.padding_efficiency()
    assert source >= 0.80
    assert target >= 0.95


@quick
@given(LENGTHS, BUDGETS)
def test_padding_efficiency_is_that_of_the_batches(
    lengths: list[tuple[int, int]], budget: int
) -> None:
    sampler = make_sampler(lengths, batch_tokens=budget)
    for side, share in enumerate(sampler.padding_efficiency()):
        padded = sum(
            len(rows) * max(lengths[row][side] for row in rows)
            for rows in indices_of(sampler.plan_epoch(0))
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
    source, target = make_sampler(lengths, batch_tokens=4096).padding_efficiency()
    assert source >= 0.80
    assert target >= 0.95


@pytest.mark.parametrize(
    ("budget", "sizes"), [(10, [2, 2]), (9, [1] * 4), (11, [2, 2])]
)
def test_a_batch_may_fill_its_budget_to_the_last_token(
    budget: int, sizes: list[int]
) -> None:
    sampler = make_sampler([(5, 5)] * 4, batch_tokens=budget)
    assert [len(batch.indices) for batch in sampler.plan_epoch(1)] == sizes


@pytest.mark.parametrize("step", [1, 3])
def test_the_first_step_of_all_has_the_largest_batches(step: int) -> None:
    """Of 12 batches of about 40 tokens a side, pairs of 40 make the largest."""
    lengths = [(size, size) for size in (40, 30, 21) for _ in range(4)]
    for seed in range(3):
        sampler = make_sampler(
            lengths, batch_tokens=40, batches_per_step=step, seed=seed
        )
        first, second = (
            [
                lengths[row][0]
                for rows in indices_of(sampler.plan_epoch(epoch))
                for row in rows
            ]
            for epoch in (0, 1)
        )
        assert first[:step] == [40] * step
        assert sorted(first) == sorted(second)


@pytest.mark.parametrize(("pairs", "batches"), [(1, 1), (8, 1), (21, 3), (23, 3)])
def test_mixed_batches_have_equally_many_pairs_of_any_length(
    pairs: int, batches: int
) -> None:
    lengths = np.resize([1, 4], pairs)
    sampler = TokenBatchSampler(lengths, lengths, batch_tokens=32, mix_lengths=True)
    plan = [batch.indices for batch in sampler.plan_epoch(1)]
    assert sorted(np.concatenate(plan).tolist()) == list(range(pairs))
    assert len(plan) == batches
    if batches == 3:
        assert all({1, 4} == set(lengths[indices].tolist()) for indices in plan)
