"""Hypotheses of segments are combined to the best translations of a line."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.translate.constraints import ConstraintPattern, TokenizedConstraints
from seq2seq.translate.line_hypotheses import Candidate, Cost, LineHypotheses
from seq2seq.types import Hypothesis

NONE = ConstraintPattern("", re.compile(""))


def forbid(regex: str) -> TokenizedConstraints:
    pattern = ConstraintPattern(regex, re.compile(regex))
    return TokenizedConstraints("in:1", (), (), (), NONE, (), (pattern,))


def costed(text: str, halves: int, finished: bool) -> tuple[Candidate, Cost]:
    hypothesis = Hypothesis((1,), -halves / 2, -halves / 2, finished)
    return (text, hypothesis), Cost(int(not finished), halves / 2)


candidates = st.lists(
    st.builds(costed, st.text("ab", max_size=3), st.integers(0, 9), st.booleans()),
    min_size=1,
    max_size=4,
).map(lambda items: sorted(items, key=lambda item: item[1]))


@given(
    st.lists(st.tuples(candidates, st.sampled_from(["", " "])), min_size=1, max_size=4),
    st.sampled_from([None, "ab", "b a", r"\bab\b", r"(?<!b)a b(?!a)"]),
    st.integers(1, 4),
)
def test_the_best_valid_combinations_are_those_of_brute_force(
    segments: list[tuple[list[tuple[Candidate, Cost]], str]],
    forbidden: str | None,
    n_best: int,
) -> None:
    lists, gaps = zip(*segments, strict=True)
    line = LineHypotheses(n_best, gaps, forbid(forbidden) if forbidden else None)
    expected: dict[str, tuple[float, float]] = {}
    for combination in product(*lists):
        text = ""
        for ((part, _), _), gap in zip(combination, gaps, strict=True):
            text += gap + part if text and part else part
        truncated, scores = zip(*(cost for _, cost in combination), strict=True)
        cost = sum(truncated), sum(scores)
        if not forbidden or not re.search(forbidden, text):
            expected[text] = min(cost, expected.get(text, cost))
    line.add_best(lists)
    if not expected:
        with pytest.raises(UserError, match=r"^in:1: no translation was found"):
            line.valid()
        return
    found = line.valid()
    costs = [
        (sum(not h.finished for h in hypotheses), -sum(h.score for h in hypotheses))
        for hypotheses in found.values()
    ]
    assert costs == sorted(expected.values())[:n_best]
    assert costs == [expected[text] for text in found]


def test_a_forbidden_phrase_at_one_border_of_many_is_avoided() -> None:
    ranked = [[costed("a", 0, True), costed("c", 1, True)] for _ in range(40)]
    ranked[20] = [costed("b", 0, True), costed("d", 9, True)]
    ranked[19] = [costed("a", 0, True), costed("c", 9, True)]
    line = LineHypotheses(1, [""] * 40, forbid("ab"))
    line.add_best(ranked)
    (text,) = line.valid()
    assert text in ("a" * 19 + "cb" + "a" * 19, "a" * 20 + "d" + "a" * 19)


def test_a_line_of_many_sentences_is_combined_once() -> None:
    ranked = [[costed("a", 0, True), costed("c", 1, True)]] * 3000
    line = LineHypotheses(3, [""] * 3000, None)
    line.add_best(ranked)
    assert [text.count("c") for text in line.valid()] == [0, 1, 1]
