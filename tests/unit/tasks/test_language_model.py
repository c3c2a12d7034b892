"""The language model: its streams, its windows, what it writes."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.tokenizer import train_tokenizer
from seq2seq.errors import RecipeError, UserError
from seq2seq.evaluation.evaluate_language_model import token_nats
from seq2seq.recipe import LanguageModelRecipe
from seq2seq.recipe.data import SubwordOptions
from seq2seq.recipe.loader import read_recipe
from seq2seq.tasks import open_task
from seq2seq.tasks.language_model import generate
from seq2seq.tasks.language_model_data import LanguageModelData, Streams
from seq2seq.tasks.text_vocabulary import TextVocabulary
from seq2seq.types import EOS, PAD, UNK
from tests.helpers.runs import tokenizer

LINES = ["to be, or  not", "", "\tto be: that", "", "", "is"]


def recipe(**train: Any) -> LanguageModelRecipe:
    return LanguageModelRecipe.model_validate(
        {
            "task": "language_model",
            "data": {"path": "hello"},
            "model": {
                "embedding_size": 6,
                "decoder": {"cell": "lstm", "layers": 2, "hidden_size": 7},
            },
            "train": {"max_steps": 1, "label_smoothing": 0.0, **train},
        }
    )


def opened(**train: Any) -> tuple[Any, Any]:
    given = recipe(**train)
    task: Any = open_task(given, LanguageModelData(given, None).vocabularies)
    torch.manual_seed(0)
    return task, task.network()


def test_a_text_of_characters_comes_back_whole() -> None:
    files = {"characters.json": TextVocabulary.characters_file(LINES)}
    text = TextVocabulary(files)
    ids = text.stream(LINES)
    assert text.decode(ids) == "".join(f"{line}\n" for line in LINES)
    assert (ids == EOS).sum() == len(LINES)
    with pytest.raises(UserError, match="the prompt holds 'Z'"):
        text.require_known("to Z")
    text.require_known("to\nbe")
    options = SubwordOptions(model_type="char", vocab_size=15)
    text = TextVocabulary({"target.model": train_tokenizer(LINES, options).model})
    text.require_known("to\nbe")
    for unknown in ("to Z", "to \udcff"):
        with pytest.raises(UserError, match=re.escape(f"holds {unknown[3]!r}")):
            text.require_known(unknown)


def test_a_text_longer_than_a_chunk_loses_nothing() -> None:
    text = TextVocabulary({"characters.json": b'"a"'})
    assert len(text.stream("a" for _ in range(20_001))) == 40_002


def test_processes_share_the_training_text_and_validation_reads_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "train.en").write_text("abc\n" * 9, encoding="utf-8")
    (tmp_path / "valid.en").write_text("cab\n", encoding="utf-8")
    given = recipe(truncated_bptt_steps=6)
    data = LanguageModelData(given.with_data_path(str(tmp_path)), None)
    trainer = SimpleNamespace(
        world_size=2,
        overfit_batches=0,
        limit_train_batches=1.0,
        fast_dev_run=False,
        accumulate_grad_batches=1,
    )
    data.trainer = cast("Any", trainer)
    assert data.train_dataloader().batch_sampler.batches_per_step == 2
    (batch,) = data.val_dataloader()
    (row,) = batch.targets.tolist()
    assert TextVocabulary(data.vocabularies).decode(row) == "cab\n"


@pytest.mark.parametrize(
    ("streams", "window", "ranks"), [(1, 4, 1), (3, 4, 1), (4, 2, 2)]
)
def test_streams_read_every_token_once_after_the_one_before_it(
    streams: int, window: int, ranks: int
) -> None:
    ids = np.arange(4, 41, dtype=np.int32)
    text = Streams(ids, streams, window, ranks)
    plan = text.plan_epoch(0)
    seen: dict[int, list[int]] = {}
    for k, planned in enumerate(plan):
        batch = text.batch(planned.indices, planned.num_tokens)
        assert bool(batch.source_lengths[0]) == (k >= ranks)  # Else a stream begins.
        for index, inputs, targets in zip(
            batch.indices.tolist(),
            batch.inputs.tolist(),
            batch.targets.tolist(),
            strict=True,
        ):
            for given, target in zip(inputs, targets, strict=True):
                if target != PAD:
                    assert given == (EOS if target == 4 else target - 1)
                    seen.setdefault(index % len(text.targets), []).append(target)
    assert [token for row in sorted(seen) for token in seen[row]] == ids.tolist()
    numbers = [planned.num_tokens for planned in plan]
    assert sum(n for n in numbers if n) == len(ids) * ranks


def test_windows_that_carry_state_have_the_loss_of_the_whole_stream() -> None:
    task, network = opened()
    network.eval()
    ids = np.random.default_rng(0).integers(4, 8, 48).astype(np.int32)
    losses = []
    for window in (24, 5):
        state, total = None, 0.0
        text = Streams(ids, 2, window)
        for planned in text.plan_epoch(0):
            output, state = task.loss(network, text.batch(planned.indices), state)
            total += float(output.nll)
        losses.append(total)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    one = Streams(ids, 1, 48)
    output, _ = task.loss(network, one.batch(one.plan_epoch(0)[0].indices), None)
    assert token_nats(network, ids).sum() == pytest.approx(float(output.nll), rel=1e-6)


def test_a_window_as_long_as_the_stream_is_full_backpropagation() -> None:
    task, network = opened()
    ids = np.random.default_rng(0).integers(4, 8, 20).astype(np.int32)
    text = Streams(ids, 1, 20)
    output, _ = task.loss(network, text.batch(text.plan_epoch(0)[0].indices), None)
    output.loss.backward()
    windowed = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    state, total = None, torch.zeros(())
    inputs = torch.tensor([[EOS, *ids[:-1].tolist()]])
    for position, target in enumerate(ids.tolist()):  # One graph through all steps.
        log_probs, state = network.log_probs(inputs[:, position : position + 1], state)
        total = total - log_probs[0, 0, target]
    total.backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, windowed[name], rtol=1e-5, atol=1e-6)


def test_gradients_end_where_a_window_begins_and_the_state_does_not() -> None:
    task, network = opened()
    ids = np.random.default_rng(0).integers(4, 8, 12).astype(np.int32)
    text = Streams(ids, 1, 6)
    first, second = (text.batch(p.indices) for p in text.plan_epoch(0))
    _, state = task.loss(network, first, None)
    assert state is not None
    assert not any(part.requires_grad for part in state)
    carried = float(task.loss(network, second, state)[0].nll)
    reset, _ = opened(carry_state=False)
    assert carried != pytest.approx(float(reset.loss(network, second, state)[0].nll))


def test_an_epoch_begins_from_zeros() -> None:
    task, network = opened()
    text = Streams(np.random.default_rng(0).integers(4, 8, 12).astype(np.int32), 1, 6)
    first, last = (text.batch(p.indices) for p in text.plan_epoch(0))
    _, state = task.loss(network, last, None)
    again, fresh = (float(task.loss(network, first, s)[0].nll) for s in (state, None))
    assert again == fresh


def test_labels_are_smoothed_in_training_alone() -> None:
    task, network = opened(label_smoothing=0.3)
    text = Streams(np.arange(4, 8, dtype=np.int32), 1, 4)
    batch = text.batch(text.plan_epoch(0)[0].indices)
    with torch.no_grad():
        output, _ = task.loss(network, batch, None)
        assert output.loss.item() != pytest.approx(output.nll.item())
        output, _ = task.loss(network.eval(), batch, None)
        assert output.loss.item() == pytest.approx(output.nll.item())


def test_a_prompt_is_read_behind_a_line_end_and_control_tokens_are_not_predicted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, network = opened()
    network.eval()
    original, inputs = network.log_probs, []

    def log_probs(given: torch.Tensor, state: Any) -> Any:
        inputs.append(given.tolist())
        log_p, after = original(given, state)
        log_p[:, :, UNK] += 100
        return log_p, after

    monkeypatch.setattr(network, "log_probs", log_probs)
    (token, _) = generate(network, [5, 6], max_length=2)
    assert inputs == [[[EOS, 5, 6]], [[token]]]
    text = Streams(np.arange(4, 8, dtype=np.int32), 1, 4)
    (line,) = task.predict(network, text.batch(text.plan_epoch(0)[0].indices))
    assert "\N{REPLACEMENT CHARACTER}" not in line


def test_writing_step_by_step_has_the_probabilities_of_reading_at_once() -> None:
    _, network = opened()
    network.eval()
    written = list(generate(network, [5, 6], max_length=200, seed=3))
    nats = token_nats(network, np.array([5, 6, *written], dtype=np.int32))
    state, inputs, stepwise = None, torch.tensor([[EOS]]), []
    with torch.inference_mode():
        for token in [5, 6, *written]:
            log_probs, state = network.log_probs(inputs, state)
            stepwise.append(-float(log_probs[0, -1, token]))
            inputs = torch.tensor([[token]])
    np.testing.assert_allclose(stepwise, nats, atol=1e-5)


def test_a_low_temperature_is_greedy_and_a_high_one_is_not() -> None:
    _, network = opened()
    network.eval()
    greedy = list(generate(network, [], greedy=True, max_length=30))
    for cold in (1e-4, 1e-320):
        assert list(generate(network, [], temperature=cold, max_length=30)) == greedy
    drawn = [tuple(generate(network, [], max_length=30, seed=s)) for s in range(3)]
    assert len({*drawn, tuple(greedy)}) == 4
    assert list(drawn[0]) == list(generate(network, [], max_length=30, seed=0))


def test_what_is_drawn_has_the_probabilities_of_the_model() -> None:
    _, network = opened()
    network.eval()
    draws = [next(generate(network, [], seed=seed)) for seed in range(2000)]
    probs = network.log_probs(torch.tensor([[EOS]]), None)[0][0, 0].exp().detach()
    probs[:EOS] = 0  # PAD, UNK and BOS are never drawn.
    probs = probs / probs.sum()
    counts = torch.bincount(torch.tensor(draws), minlength=len(probs)) / len(draws)
    sigma = (probs * (1 - probs) / len(draws)).sqrt()
    assert bool(((counts - probs).abs() <= 4 * sigma + 1e-9).all())


def test_a_tokenizer_of_another_run_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "target.model"
    tokenizer().save(path)
    given = read_recipe("lecture/hello", [f"tokenizer.path={path}"])
    assert isinstance(given, LanguageModelRecipe)
    data = LanguageModelData(given, None)
    assert data.vocabularies == {"target.model": path.read_bytes()}
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"target\.model: this is no SentencePiece"):
        _ = LanguageModelData(given, None).vocabularies


def test_the_phrasebook_is_a_text_of_either_language() -> None:
    pairs = list(phrase_pairs("test", count=500))

    def lines_of(language: str, split: str) -> list[str]:
        given = read_recipe("lecture/phrasebook", [f"data.language={language}"])
        assert isinstance(given, LanguageModelRecipe)
        return list(LanguageModelData(given, None).lines_of(split))

    assert lines_of("en", "test") == [english for english, _ in pairs]
    assert lines_of("de", "test") == [german for _, german in pairs]
    train = lines_of("de", "train")
    assert len(train) == 10_000
    assert not set(train) & set(lines_of("de", "test"))
    with pytest.raises(UserError, match="between en and de"):
        lines_of("fr", "test")


def test_windows_need_whole_streams(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"accumulate_grad_batches .* is 1"):
        read_recipe("lecture/hello", ["train.accumulate_grad_batches=2"])
    with pytest.raises(RecipeError, match="less than one window"):
        read_recipe("lecture/hello", ["train.batch_tokens=5"])
    ids = np.arange(4, 40, dtype=np.int32)
    for streams in (9, 30):  # The text has nine windows.
        with pytest.raises(UserError, match=r"^9 .* 2 processes; add -o .*tokens=32,"):
            Streams(ids, streams, 4, ranks=2)
    assert len(Streams(ids, 32 // 4, 4, ranks=2).targets) == 8
    with pytest.raises(UserError, match=r"1 streams .* by 2 processes; start fewer"):
        Streams(ids, 1, 4, ranks=2)
