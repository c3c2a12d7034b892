"""Unnormalized scores choose the same tokens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.data.ibm_model1 import train_ibm_model1
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.engines.onnx.export import export
from seq2seq.engines.shortlist import save_table
from seq2seq.nn.loss import log_softmax
from seq2seq.recipe import SearchOptions
from seq2seq.runs.run import Run
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.types import BOS, UNK, StepOutput
from tests.helpers.markov_step import (
    TableMemory,
    TableState,
    greedy,
    random_tables,
    start,
    step,
)
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of


def shifted(
    last: Tensor, state: TableState, memory: TableMemory
) -> StepOutput[TableState]:
    """The tables, each row shifted by another number."""
    output = step(last, state, memory)
    off = torch.arange(len(last), dtype=torch.float64)[:, None] * 1.7 - 5
    return StepOutput(
        output.log_probs + off, output.state, output.attention, unnormalized=True
    )


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_unnormalized_steps_lead_to_the_same_hypotheses(
    seed: int, unknown: bool
) -> None:
    tables = random_tables(seed, sentences=5, vocabulary=7)
    limits = [6, 1, 4, 9, 2]
    expected = greedy(tables, limits, allow_unknown=unknown)
    options = SearchOptions(beam_size=1, allow_unknown=unknown)
    for scored in (True, False):
        state, memory, _ = start(tables)
        constraints = DecodingConstraints(max_lengths=torch.tensor(limits))
        hypotheses = greedy_search(
            shifted, state, memory, constraints, options, scored=scored
        )
        assert [h.tokens for h in hypotheses] == [h.tokens for h in expected]
        assert [h.finished for h in hypotheses] == [h.finished for h in expected]
        for hypothesis, reference in zip(hypotheses, expected, strict=True):
            if scored:
                assert hypothesis.log_prob == pytest.approx(
                    reference.log_prob, abs=1e-9
                )
                assert hypothesis.score == pytest.approx(reference.score, abs=1e-9)
            else:
                assert math.isnan(hypothesis.log_prob)
                assert math.isnan(hypothesis.score)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("runs") / "run")
    tokens = len(Run.open(folder).target)
    pairs = [([token], [token + 1]) for token in range(UNK, tokens - 1)]
    table = train_ibm_model1(
        pairs, source_vocab_size=tokens, target_vocab_size=tokens, null=BOS
    )
    save_table(folder, table)
    return folder


@pytest.mark.parametrize("kind", ["torch", "onnx", "shortlist", "ensemble"])
@torch.inference_mode()
def test_engines_that_leave_the_sum_out_are_off_by_it(run: Path, kind: str) -> None:
    if kind == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        export(Run.open(run), int8=False)
    others = [run] if kind == "ensemble" else []
    opened = open_runs(run, others, checkpoint="best")
    engine = load_engine(
        opened,
        "onnx" if kind == "onnx" else "torch",
        device="cpu",
        shortlist=20 if kind == "shortlist" else None,
    )
    batch = collate([[5, 6, 7], [8, 9]], [[], []])
    state, memory = engine.start(batch.source, batch.source_lengths)
    last = torch.full((2,), BOS)
    whole = engine.step(last, state, memory)
    part = engine.step(last, state, memory, unnormalized=True)
    assert not whole.unnormalized
    assert torch.allclose(whole.log_probs.exp().sum(dim=1), torch.ones(2))
    assert part.unnormalized is (kind != "ensemble")
    off = part.log_probs.logsumexp(dim=1)
    assert bool((off.abs() > 1e-3).all()) is part.unnormalized
    assert torch.allclose(part.log_probs - off[:, None], whole.log_probs, atol=1e-5)


def test_text_is_the_same_with_and_without_scores(run: Path) -> None:
    translator = Translator.load(run, overrides=["search.beam_size=1"])
    bare, whole = TranslationOptions(return_scores=False), TranslationOptions()
    without = translator.translate_batch(LINES, bare)
    scored = translator.translate_batch(LINES, whole)
    assert [t.translation for t in without] == [t.translation for t in scored]
    for one, other in zip(without, scored, strict=True):
        if other.score is not None:
            assert one.score is not None
            assert math.isnan(one.score)
            assert math.isfinite(other.score)
    # A beam compares scores, so it has them in any case.
    beam = translator.with_beam_size(bare, 2)
    translations = translator.translate_batch(LINES, beam)
    assert all(t.score is None or math.isfinite(t.score) for t in translations)


@pytest.mark.parametrize("form", ["jsonl", "tsv"])
def test_forms_with_scores_have_them(run: Path, tmp_path: Path, form: str) -> None:
    source = tmp_path / "source.txt"
    lines = [line for line in LINES if line.isprintable()]
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text, _ = call("translate", run, source, "--beam", 1)
    output, _ = call("translate", run, source, "--beam", 1, "--output-format", form)
    if form == "jsonl":
        rows: list[Any] = [json.loads(line) for line in lines_of(output)]
        hypotheses = [(row["translation"], row["score"]) for row in rows]
    else:
        hypotheses = [tuple(line.split("\t")[1:3]) for line in lines_of(output)]
    assert [translation for translation, _ in hypotheses] == lines_of(text)
    for translation, score in hypotheses:
        assert not translation or math.isfinite(float(score))


def test_log_softmax_works_in_place() -> None:
    scores = torch.randn(7, 1000) * 5
    expected = torch.log_softmax(scores.clone(), dim=-1)
    hypotheses = log_softmax(scores)
    assert torch.equal(hypotheses, expected)
    assert hypotheses.data_ptr() == scores.data_ptr()
    learning = torch.randn(2, 5, requires_grad=True)
    log_softmax(learning).sum().backward()
    assert learning.grad is not None
