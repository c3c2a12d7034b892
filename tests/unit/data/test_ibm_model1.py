"""IBM Model 1 on a code, and beside the same EM in plain dictionaries."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.data.ibm_model1 import (
    ITERATIONS,
    MAX_TARGETS,
    NO_TARGET,
    LexicalTable,
    train_ibm_model1,
)
from seq2seq.types import EOS

SENTENCES = st.lists(st.integers(4, 9), max_size=5)


def code(pairs: int, *, seed: int = 1) -> list[tuple[list[int], list[int]]]:
    """Sentences in a code: source token i becomes i + 10, in another order."""
    generator = random.Random(seed)
    sources = [
        generator.sample(range(4, 14), generator.randint(1, 5)) for _ in range(pairs)
    ]
    return [(source, [token + 10 for token in reversed(source)]) for source in sources]


def train(pairs: list[Any], **options: int) -> LexicalTable:
    defaults = {"source_vocab_size": 16, "target_vocab_size": 30, "null": EOS}
    return train_ibm_model1(pairs, **defaults | options)


def test_a_code_is_deciphered() -> None:
    table = train(code(300))
    for token in range(4, 14):
        assert table.top_targets[token, 0] == token + 10
    assert (table.top_targets[14] == NO_TARGET).all()
    assert table.top_targets.shape == (16, MAX_TARGETS)
    assert table.num_pairs == 300


def test_the_most_frequent_tokens_come_first() -> None:
    table = train([([4], [14, 14, 15]), ([5], [15, 14, 16])])
    assert table.frequent[:3].tolist() == [14, 15, 16]
    assert sorted(table.frequent.tolist()) == list(range(30))


def test_memory_is_bounded_and_the_table_the_same_each_time() -> None:
    pairs = code(300)
    bounded, again = train(pairs, max_links=100), train(pairs, max_links=100)
    assert 0 < bounded.num_pairs < 30
    assert np.array_equal(bounded.top_targets, again.top_targets)
    assert train([]).num_pairs == 0


def textbook_em(
    pairs: list[tuple[list[int], list[int]]],
) -> dict[tuple[int, int], float]:
    """Return t(f|e) after ITERATIONS rounds, as Brown et al. 1993 write it."""
    table: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(ITERATIONS):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for source, target in pairs:
            for f in target:
                norm = sum(table[e, f] for e in [*source, EOS])
                for e in [*source, EOS]:
                    counts[e, f] += table[e, f] / norm
                    totals[e] += table[e, f] / norm
        table = defaultdict(
            float, {(e, f): count / totals[e] for (e, f), count in counts.items()}
        )
    return table


@settings(max_examples=30)
@given(st.lists(st.tuples(SENTENCES, SENTENCES), max_size=6))
def test_targets_are_ranked_as_by_the_textbook(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    table, expected = train(pairs), textbook_em(pairs)
    for e in range(16):
        targets = [f for f in table.top_targets[e].tolist() if f != NO_TARGET]
        assert set(targets) == {f for source, f in expected if source == e}
        probabilities = [expected[e, f] for f in targets]
        assert all(a >= b - 1e-12 for a, b in pairwise(probabilities))
