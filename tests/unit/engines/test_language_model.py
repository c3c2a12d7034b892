"""Shallow fusion: a language model's log-probabilities are added at every step."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.data.ibm_model1 import LexicalTable
from seq2seq.engines.factory import load_engine
from seq2seq.engines.shortlist import save_table
from seq2seq.errors import UserError
from seq2seq.runs.run import Run
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.language_model import generate
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.types import BOS, PAD
from tests.helpers.runs import make_language_model, make_runs, tokenizer
from tests.helpers.translate_cli import LINES, call, translate_to


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_runs(tmp_path_factory.mktemp("runs"))
    make_language_model(folder / "lm", seed=5)
    make_language_model(folder / "lm-other", seed=6)
    make_language_model(folder / "lm-characters", model_type="char")
    vocab = len(tokenizer())
    top = torch.arange(vocab)[:, None].expand(-1, 3).numpy()
    save_table(folder / "one", LexicalTable(top, torch.arange(vocab).numpy(), 1))
    return folder


def fused(runs: Path, weight: float = 0.3, **options: Any) -> Translator:
    return Translator.load(
        runs / "one", language_model=runs / "lm", lm_weight=weight, **options
    )


@pytest.mark.parametrize("precise", [True, False])
def test_a_fused_step_is_the_sum_of_both_models(runs: Path, precise: bool) -> None:
    one = [Run.open(runs / "one")]
    fusion = load_engine(
        one, precise=precise, language_model=runs / "lm", lm_weight=0.3
    )
    plain = load_engine(one, precise=precise)
    network = TaskRun.open(runs / "lm").network().eval()
    network = network.double() if precise else network
    source, lengths = torch.tensor([[7, 8, 3], [9, 3, PAD]]), torch.tensor([3, 2])
    given = [[BOS, BOS], [9, 11], [11, 7]]
    with torch.no_grad():
        state, memory = fusion.start(source, lengths)
        alone, alone_memory = plain.start(source, lengths)
        hidden = None
        for tokens in given:
            last = torch.tensor(tokens)
            output = fusion.step(last, state, memory, unnormalized=True)
            expected = plain.step(last, alone, alone_memory)
            language, hidden = network.log_probs(
                last.masked_fill(last == BOS, 3)[:, None], hidden
            )
            torch.testing.assert_close(
                output.log_probs.double(),
                (expected.log_probs + 0.3 * language[:, 0]).double(),
                rtol=0,
                atol=1e-6,
            )
            assert output.attention is not None
            swap = torch.tensor([1, 0])  # Rows are reordered as in a beam.
            state, alone = output.state.select(swap), expected.state.select(swap)
            memory, alone_memory = memory.select(swap), alone_memory.select(swap)
            hidden = tuple(part[swap] for part in hidden)


@pytest.mark.parametrize("beam", [1, 4])
def test_scores_and_tokens_are_those_of_forced_decoding(runs: Path, beam: int) -> None:
    translator = fused(runs)
    options = TranslationOptions(token_log_probs=True)
    options = translator.with_beam_size(options, beam)
    (result,) = translator.translate_batch(["The dog sleeps."], options)
    assert result.token_log_probs is not None
    assert result.tokens is not None
    names = tokenizer().id_to_tokens(range(len(tokenizer())))
    ids = [names.index(token) for token in result.tokens]
    batch = collate(tokenizer().encode(["The dog sleeps."]), [ids[:-1]])
    with torch.no_grad():
        forced = translator.engine.log_probs(batch)[0]
    assert result.token_log_probs == pytest.approx(forced.tolist(), abs=1e-5)
    assert result.score == pytest.approx(float(forced.mean()), abs=1e-5)


def test_a_weight_of_0_changes_no_byte_and_another_does(runs: Path) -> None:
    options = TranslationOptions(n_best=3)
    plain = Translator.load(runs / "one").translate_batch(LINES, options)
    assert fused(runs, 0.0).translate_batch(LINES, options) == plain
    assert fused(runs, 0.3).translate_batch(LINES, options) != plain


def test_a_great_weight_generates_what_the_language_model_would(runs: Path) -> None:
    network = TaskRun.open(runs / "lm").network().eval()
    expected = list(generate(network, [], greedy=True, max_length=8))
    translator = fused(runs, 1e4)
    options = translator.with_beam_size(TranslationOptions(token_log_probs=True), 1)
    (result,) = translator.translate_batch(["The dog sleeps."], options)
    assert result.tokens is not None
    assert list(result.tokens[:8]) == tokenizer().id_to_tokens(expected)


@pytest.mark.parametrize(
    "options", [{}, {"shortlist": 3}, {"ensemble": ["two"]}, {"engine": "onnx"}]
)
def test_translations_do_not_depend_on_the_batch(
    runs: Path, options: dict[str, Any]
) -> None:
    if options.get("engine") == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        assert call("export", runs / "one", "--engine", "onnx")
    ensemble = [runs / name for name in options.get("ensemble", ())]
    translator = fused(runs, **{**options, "ensemble": ensemble})
    results = [
        translator.translate_batch(LINES, TranslationOptions(n_best=2, batch_size=size))
        for size in (1, 3, 128)
    ]
    for result in results[1:]:
        for line, expected in zip(result, results[0], strict=True):
            assert line.translation == expected.translation
            assert line.score == pytest.approx(expected.score, abs=1e-5)


def test_constraints_hold_and_a_copy_by_pickle_translates_alike(runs: Path) -> None:
    translator = fused(runs)
    lines = [
        "The dog sleeps.",
        TranslationRequest("The dog.", required=("Mutter",), forbidden=("a",)),
    ]
    results = translator(lines)
    assert "Mutter" in results[1]
    assert "a" not in results[1]
    copy = pickle.loads(pickle.dumps(translator))  # noqa: S301, it is ours
    assert copy(lines) == results


def test_runs_of_other_tokens_and_tasks_are_refused(runs: Path) -> None:
    for name, message in (
        ("lm-characters", r"has other tokens .* -o tokenizer.path=.*one/tokenizer/tar"),
        ("two", "needs one of task: language_model"),
    ):
        with pytest.raises(UserError, match=message):
            Translator.load(runs / "one", language_model=runs / name)
    with pytest.raises(UserError, match="lm_weight is nan"):
        fused(runs, float("nan"))
    _, error = call("translate", runs / "one", "--lm-weight", "0.3")
    assert error.startswith("--lm-weight is for --language-model")


def test_scores_say_what_they_contain_and_texts_need_not(runs: Path) -> None:
    more = ("--language-model", runs / "lm", "--lm-weight", "0.3")
    out, notes = call(
        "translate", runs / "one", *more, "--output-format", "jsonl", text=b"A dog.\n"
    )
    assert f"log p + 0.3 log p of {runs / 'lm'}" in notes
    (expected,) = fused(runs).translate_batch(["A dog."])
    assert json.loads(out)["score"] == pytest.approx(expected.score, abs=1e-6)
    assert "log p" not in call("translate", runs / "one", *more, text=b"A dog.\n")[1]


def test_an_output_is_not_resumed_with_another_language_model(
    runs: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("The dog sleeps.\nNo\n" * 4)
    options = ("--buffer-size", "2", "--language-model", str(runs / "lm"))
    assert translate_to(runs / "one", source, output, *options, dies_after=1)
    other = (*options[:3], str(runs / "lm-other"))
    for more in (options[:2], (*options, "--lm-weight", "0.1"), other):
        error = translate_to(runs / "one", source, output, *more, "--resume")
        assert "Use the same" in error
    assert translate_to(runs / "one", source, output, *options, "--resume") == ""
    expected = Translator.load(runs / "one", language_model=runs / "lm")
    assert output.read_text().splitlines() == expected(source.read_text().splitlines())
