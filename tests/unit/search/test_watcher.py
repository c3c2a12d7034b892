"""What a search reports to a watcher is the search, and changes none of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.watcher import NUM_CUT, Candidate
from seq2seq.types import BOS, EOS, Hypothesis
from tests.helpers.markov_step import (
    Case,
    cases,
    make_constraints,
    random_tables,
    some,
    start,
    step,
)


@dataclass
class Paths:
    """Follows the candidates, and checks that each continues a row of the step."""

    tables: Any
    ends: dict[int, dict[tuple[int, ...], Candidate]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    rows: dict[int, tuple[int, tuple[int, ...], float]] = field(default_factory=dict)
    steps: list[Sequence[Candidate]] = field(default_factory=list)

    def on_step(self, length: int, candidates: Sequence[Candidate]) -> None:
        rows = self.rows
        if length == 0:
            rows = {c.parent: (c.sentence, (), 0.0) for c in candidates}
        self.rows = {}
        for candidate in candidates:
            sentence, tokens, before = rows[candidate.parent]
            assert sentence == candidate.sentence
            assert len(tokens) == length
            previous, last = (BOS, BOS, *tokens)[-2:]
            log_prob = float(self.tables[sentence, previous, last, candidate.token])
            assert candidate.token_log_prob == pytest.approx(log_prob, abs=1e-9)
            assert candidate.log_prob == pytest.approx(before + log_prob, abs=1e-9)
            assert (candidate.row is not None) == (candidate.state == "kept")
            path = (*tokens, candidate.token)
            if candidate.row is not None:
                assert candidate.row not in self.rows
                self.rows[candidate.row] = sentence, path, candidate.log_prob
            if candidate.state != "cut":
                self.ends[sentence][path] = candidate
        self.steps.append(candidates)


def searched(
    tables: Any, limits: list[int], watcher: Paths | None, **options: Any
) -> list[list[Hypothesis]]:
    phrases = options.pop("required_phrases", ())
    state, memory, _ = start(tables)
    return beam_search(
        step,
        state,
        memory,
        make_constraints(limits, required_phrases=phrases),
        SearchOptions(**options),
        num_hypotheses=options["beam_size"],
        token_log_probs=True,
        watcher=watcher,
    )


@some
@given(
    cases(),
    st.sampled_from([(1, 1), (2, 1), (4, 1), (4, 2)]),
    st.sampled_from([True, "never"]),
    st.booleans(),
)
def test_every_hypothesis_is_a_path_and_no_result_changes(
    case: Case, beam: tuple[int, int], early_stopping: Any, phrase: bool
) -> None:
    beam_size, num_groups = beam
    options: dict[str, Any] = {
        "beam_size": beam_size,
        "num_beam_groups": num_groups,
        "length_penalty": case.penalty,
        "early_stopping": early_stopping,
    }
    if phrase and num_groups == 1:  # UNK, which every table has.
        options["required_phrases"] = [[[1]]] * len(case.limits)
    watcher = Paths(case.tables)
    hypotheses = searched(case.tables, case.limits, watcher, **options)
    plain = searched(case.tables, case.limits, None, **options)
    assert repr(hypotheses) == repr(plain)  # To the last bit.
    for number, of_sentence in enumerate(hypotheses):
        for hypothesis in of_sentence:
            if not hypothesis.finished and not hypothesis.tokens:
                continue
            end = (EOS,) * hypothesis.finished
            candidate = watcher.ends[number][(*hypothesis.tokens, *end)]
            assert candidate.log_prob == hypothesis.log_prob
            if hypothesis.finished:
                assert candidate.state == "finished"
                assert candidate.score == hypothesis.score
            assert len(watcher.ends[number]) >= len(hypothesis.tokens)


def test_a_step_reports_what_it_kept_and_the_best_of_the_rest() -> None:
    tables = random_tables(3, sentences=1, vocabulary=30)
    for beam_size in (1, 2, 8):
        watcher = Paths(tables)
        searched(tables, [6], watcher, beam_size=beam_size)
        for candidates in watcher.steps[:-1]:
            kept = [c.log_prob for c in candidates if c.state == "kept"]
            cut = [c.log_prob for c in candidates if c.state == "cut"]
            assert len(kept) == beam_size
            assert len(cut) == NUM_CUT
            assert min(kept) >= max(cut)
