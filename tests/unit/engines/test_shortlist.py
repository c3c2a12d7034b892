"""Short lists: what they hold, what they leave alone, and damaged ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.data.ibm_model1 import train_ibm_model1
from seq2seq.engines.factory import load_engine
from seq2seq.engines.shortlist import ShortlistEngine, load_table, save_table
from seq2seq.errors import UserError
from seq2seq.runs.run import Run
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.constraints import TranslationRequest
from seq2seq.types import BOS, EOS, PAD, UNK
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose training data is a small part of the phrasebook."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "run")
    recipe = folder / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert "max_pairs: null" in text
    recipe.write_text(
        text.replace("max_pairs: null", "max_pairs: 300"), encoding="utf-8"
    )
    out, errors = call("shortlist", folder)
    assert "was learned from 300 pairs" in out
    assert errors == ""
    return folder


def engine_of(run: Path, size: int) -> ShortlistEngine:
    engine = Translator.load(run, shortlist=size).engine
    assert isinstance(engine, ShortlistEngine)
    return engine


def test_learning_twice_gives_the_same_bytes(run: Path) -> None:
    before = (run / "shortlist" / "table.npz").read_bytes()
    call("shortlist", run)
    assert (run / "shortlist" / "table.npz").read_bytes() == before


@torch.inference_mode()
def test_probabilities_sum_to_one_over_a_sentences_own_list(run: Path) -> None:
    engine = engine_of(run, 2)
    engine._always_listed = engine._always_listed[
        :12
    ]  # The test's vocabulary is small.
    source = collate([[5, 6, 7], [8]], [[], []])
    mask = engine.shortlist_mask(source.source, [[], [150]])
    assert mask[:, [UNK, EOS]].all()
    assert not mask[:, [PAD, BOS]].any()
    assert bool(mask[1, 150])
    state, memory = engine.start(source.source, source.source_lengths, [[], [150]])
    full_state, full_memory = engine.engine.start(source.source, source.source_lengths)
    twice = torch.tensor([0, 0, 1, 1])
    last = torch.tensor([BOS, 9, BOS, 10])
    log_probs = engine.step(last, state.select(twice), memory).log_probs
    full = engine.engine.step(last, full_state.select(twice), full_memory).log_probs
    rows = mask[twice]
    assert 10 < int(rows.sum(dim=1).max()) < 40
    expected = full.masked_fill(~rows, -torch.inf).log_softmax(dim=1)
    assert torch.allclose(log_probs, expected, atol=1e-5)
    assert bool((log_probs[~rows] == -torch.inf).all())


@pytest.mark.parametrize("beam_size", [1, 3])
def test_what_shares_a_batch_changes_no_translation(run: Path, beam_size: int) -> None:
    translator = Translator.load(run, shortlist=3)
    assert isinstance(translator.engine, ShortlistEngine)
    translator.engine._always_listed = translator.engine._always_listed[:20]
    lines = [line for line in LINES if line.strip()] * 3
    lines += [" ".join(pair) for pair in zip(lines, reversed(lines), strict=True)]
    options = translator.with_beam_size(TranslationOptions(), beam_size)
    translations = [
        translator(
            lines, options=TranslationOptions(search=options.search, batch_size=batch)
        )
        for batch in (1, 7, 64)
    ]
    assert translations[0] == translations[1] == translations[2]
    assert translations[0] != translator.__class__.load(run)(lines, options=options)


def test_a_shortlist_of_all_tokens_changes_nothing(run: Path) -> None:
    translator = Translator.load(run, shortlist=1)
    assert isinstance(translator.engine, ShortlistEngine)
    translator.engine._always_listed = torch.arange(UNK, 200)
    assert translator(LINES) == Translator.load(run)(LINES)


@pytest.mark.parametrize("together", [False, True])
def test_a_required_phrase_is_generated_though_no_shortlist_has_it(
    run: Path, together: bool
) -> None:
    others = [run] if together else []
    translator = Translator.load(run, ensemble=others, shortlist=1)
    engine: Any = translator.engine
    for member in engine.members if together else [engine]:
        member._always_listed = member._always_listed[:12]
    line = next(line for line in LINES if line.strip())
    requests = [
        TranslationRequest(line, prefix="Zug "),
        TranslationRequest(line, required=("Haus",)),
        TranslationRequest(line),
    ]
    first, second, third = translator(
        requests, options=translator.with_beam_size(TranslationOptions(), 4)
    )
    assert first.startswith("Zug ")
    assert "Haus" in second
    assert "Haus" not in third
    assert "Zug" not in third


def test_the_commands_take_it(run: Path) -> None:
    text = "\n".join(LINES).encode()
    out, errors = call("translate", run, "--shortlist", 5, text=text)
    assert (lines_of(out), errors) == (Translator.load(run, shortlist=5)(LINES), "")
    both = Translator.load(run, ensemble=[run], shortlist=5)
    assert both(LINES) == lines_of(out)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_onnx_runtime_chooses_from_the_same_lists(
    run: Path, tmp_path: Path, beam_size: int
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    call("export", copy, "--engine", "onnx")
    translations = []
    for kind in ("torch", "onnx"):
        translator = Translator.load(copy, engine=kind, shortlist=3)
        assert isinstance(translator.engine, ShortlistEngine)
        translator.engine._always_listed = translator.engine._always_listed[:20]
        translations.append(translator(LINES, beam_size=beam_size))
    assert translations[0] == translations[1]
    assert translations[0] != Translator.load(copy)(LINES, beam_size=beam_size)


def test_an_unusable_shortlist_is_an_error(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    with pytest.raises(UserError, match="First: seq2seq shortlist"):
        Translator.load(other, shortlist=5)
    with pytest.raises(UserError, match="--shortlist computes on the CPU"):
        load_engine([Run.open(run)], device="cuda", shortlist=5)
    with pytest.raises(UserError, match="score without --shortlist"):
        engine_of(run, 5).log_probs(collate([[5]], [[6]]))
    save_table(
        other,
        train_ibm_model1(
            [([4], [14])], source_vocab_size=16, target_vocab_size=30, null=EOS
        ),
    )
    with pytest.raises(UserError, match="of other vocabularies"):
        Translator.load(other, shortlist=5)
    table = other / "shortlist" / "table.npz"
    table.write_bytes(table.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"table\.npz is damaged"):
        load_table(other, source_vocab_size=16, target_vocab_size=30)
