"""Scores of given translations, and their equality with the beam's scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.translate.sequence_scorer import SequenceScorer
from seq2seq.types import PAD
from tests.helpers.runs import make_runs, tokenizer
from tests.helpers.translate_cli import LINES, call, lines_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


def teacher_forced(engine: Any, sources: list[list[int]], targets: Any) -> list[float]:
    with torch.no_grad():
        batch = collate(sources, targets)
        log_probs = engine.log_probs(batch).masked_fill(batch.targets == PAD, 0.0)
    return list(log_probs.sum(dim=1).tolist())


@pytest.mark.parametrize("names", [["one"], ["none"], ["one", "two", "lstm"]])
def test_a_beam_hypothesis_has_the_score_of_the_given_translation(
    runs: Path, names: list[str]
) -> None:
    opened = open_runs(runs / names[0], [runs / name for name in names[1:]])
    engine = load_engine(opened)
    sources = [ids for ids in tokenizer().encode(LINES) if ids]
    batch = collate(sources, [[] for _ in sources])
    with torch.no_grad():
        state, memory = engine.start(batch.source, batch.source_lengths)
        options = SearchOptions(beam_size=4, max_length_ratio=0.5)
        constraints = DecodingConstraints.from_length_ratio(
            batch.source_lengths, options
        )
        results = beam_search(
            engine.step, state, memory, constraints, options, num_hypotheses=4
        )
    pairs = [
        (source, hypothesis)
        for source, hypotheses in zip(sources, results, strict=True)
        for hypothesis in hypotheses
        if hypothesis.finished
    ]
    assert len(pairs) > len(sources)
    forced = teacher_forced(
        engine,
        [source for source, _ in pairs],
        [hypothesis.tokens for _, hypothesis in pairs],
    )
    expected = [hypothesis.log_prob for _, hypothesis in pairs]
    assert forced == pytest.approx(expected, abs=1e-4)


def test_a_score_does_not_depend_on_the_batch(runs: Path) -> None:
    scorer = SequenceScorer.load(runs / "one")
    pairs = [*zip(LINES, LINES[::-1], strict=True), ("", ""), ("A dog.", "")]
    whole = list(scorer(pairs))
    assert list(scorer(pairs, batch_size=1)) == pytest.approx(whole, abs=1e-9)
    assert [next(iter(scorer([pair]))) for pair in pairs] == pytest.approx(
        whole, abs=1e-9
    )
    assert all(score < 0 for score in whole)


def test_scores_of_files(runs: Path, tmp_path: Path) -> None:
    source, target, output = (tmp_path / name for name in ("s", "t", "out"))
    source.write_text("A dog.\n\nNo\n")
    target.write_text("Ein Hund.\nx\n\n")
    both = ("--source", source, "--target", target)
    out, _ = call("score", runs / "one", *both)
    assert len(lines_of(out)) == 3
    scored = list(SequenceScorer.load(runs / "one")([("A dog.", "Ein Hund.")]))
    assert float(lines_of(out)[0]) == pytest.approx(scored[0], abs=1e-6)
    call("score", runs / "one", *both, "--output", output)
    assert output.read_text() == out
    target.write_text("Ein Hund.\n")
    _, errors = call("score", runs / "one", *both)
    assert f"{source} has more lines than {target}, which has 1" in errors
