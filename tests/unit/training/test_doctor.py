"""The doctor finds what is wrong and says what to change; the bench prints its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from seq2seq.benchmark.train import bench_training
from seq2seq.cli import app
from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.training import doctor
from seq2seq.training.distributed import DistributedConfig
from seq2seq.training.doctor import Check, run_checks
from seq2seq.training.train import train
from seq2seq.types import Batch
from seq2seq.utils.languages import language_warning

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")

LAYERS = {"cell": "gru", "layers": 1, "hidden_size": 32}


def write(folder: Path, **splits: list[tuple[str, str]]) -> Path:
    folder.mkdir()
    for split, pairs in splits.items():
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs = list(phrase_pairs("train", count=500))
    near = (f"{pairs[5][0][:-1]} t.", "Etwas anderes.")
    return write(
        tmp_path_factory.mktemp("doctor") / "corpus",
        train=pairs,
        valid=[
            *pairs[:5],
            near,
            ("zzz ☃☃☃☃", "zzz ☃☃☃☃"),
            *phrase_pairs("valid", count=3),
        ],
        test=list(phrase_pairs("test", count=5)),
    )


def recipe(corpus: Path, **train_options: Any) -> Recipe:
    options = {"max_epochs": 2, "batch_tokens": 300, **train_options}
    return Recipe.model_validate(
        {
            "data": {"path": str(corpus), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 400},
            "model": {"embedding_size": 32, "encoder": LAYERS, "decoder": LAYERS},
            "train": {"optimizer": {"kind": "adam", "learning_rate": 1e-2}, **options},
        }
    )


def diagnosed(given: Recipe) -> dict[str, Check]:
    return {finding.name: finding for finding in run_checks(given)}


@pytest.fixture(scope="module")
def findings(
    corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Check]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.getbasetemp() / "cache"
        patch.setenv("SEQ2SEQ_CACHE", str(folder))
        return diagnosed(recipe(corpus))


def test_a_batch_is_learned_by_heart(findings: dict[str, Check]) -> None:
    assert findings["overfitting one batch"].advice == ""


def test_what_training_sees_twice_is_named(findings: dict[str, Check]) -> None:
    assert findings["valid in train"].value == (
        "5 of 10 sources (50.0%) and 5 targets are trained on, but for case, digits, "
        "punctuation and white space, such as 'There are two bakers in a shop.'"
    )
    assert "remove them from training" in findings["valid in train"].advice
    assert findings["test in train"].advice == ""
    assert "sources (0.0%)" in findings["test in valid"].value
    near = findings["valid near train"].value
    assert near.startswith("6 of 10 sources (60.0%) are in train or near")


def test_unknown_pieces_are_counted(findings: dict[str, Check]) -> None:
    assert "character_coverage" in findings["unknown in valid"].advice
    assert findings["unknown in test"].advice == ""


def test_time_and_memory_are_foretold(findings: dict[str, Check]) -> None:
    assert "minutes for 2.0 epochs" in findings["time"].value
    assert "MiB at most" in findings["memory"].value


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_trial_computes_in_the_precision_of_the_training(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    enabled = set()
    forward = EncoderDecoder.forward

    def recording(network: EncoderDecoder, batch: Batch, **options: Any) -> LossOutput:
        enabled.add(torch.is_autocast_enabled("cpu"))
        return forward(network, batch, **options)

    monkeypatch.setattr(EncoderDecoder, "forward", recording)
    monkeypatch.setattr(doctor, "OVERFIT_STEPS", 2)
    found = diagnosed(recipe(corpus, precision=precision))
    assert found["time"].value.endswith(f" in {precision}")
    assert enabled == {precision == "bf16-mixed"}


@pytest.mark.parametrize(
    ("change", "what", "advice"),
    [
        ({"data": {"max_length": 8}}, "pairs", "raise data.max_length"),
        ({"train": {"batch_tokens": 7}}, "lengths", "raise train.batch_tokens to"),
        ({"train": {"batch_tokens": 90_000}}, "padding", "lower train.batch_tokens"),
        (
            {"tokenizer": {"vocab_size": 600}},
            "vocabulary",
            "lower tokenizer.vocab_size to about",
        ),
        (
            {"train": {"optimizer": {"kind": "sgd", "learning_rate": 1e-6}}},
            "overfitting one batch",
            "try another learning_rate",
        ),
        (
            {"train": {"optimizer": {"kind": "sgd", "learning_rate": 1e30}}},
            "overfitting one batch",
            "it diverges: lower train.optimizer.learning_rate",
        ),
    ],
)
def test_what_is_wrong_gets_advice(
    corpus: Path,
    change: dict[str, Any],
    what: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "OVERFIT_STEPS", 10)
    content = recipe(corpus).model_dump()
    for section, options in change.items():
        content[section] |= options
    given = Recipe.model_validate(content)
    check = next(each for each in run_checks(given) if each.name == what)
    assert advice in check.advice


def test_the_doctor_shows_a_table_and_does_not_fail(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OVERFIT_STEPS", 10)
    yaml = tmp_path / "my.yaml"
    (corpus / "test.en").rename(corpus / "other.en")
    try:
        yaml.write_text(recipe_yaml(recipe(corpus)), encoding="utf-8")
        done = CliRunner().invoke(app, ["doctor", str(yaml)])
    finally:
        (corpus / "other.en").rename(corpus / "test.en")
    assert done.exit_code == 0, done.output
    assert "overfitting one batch" in done.output
    assert "cannot be read" in done.output  # A split that is missing is a finding.


def test_the_bench_prints_one_line(corpus: Path, tmp_path: Path) -> None:
    yaml = tmp_path / "my.yaml"
    yaml.write_text(
        recipe_yaml(recipe(corpus, accumulate_grad_batches=2)), encoding="utf-8"
    )
    done = CliRunner().invoke(app, ["bench", "train", str(yaml), "--steps", "8"])
    assert done.exit_code == 0, done.stderr
    line = json.loads(done.stdout)
    assert (line["steps"], line["warm_up_steps"], line["threads"]) == (8, 5, 1)
    rates = line["source_pieces_per_second"] + line["target_pieces_per_second"]
    assert line["pieces_per_second"] == pytest.approx(rates, rel=3e-3)
    assert line["pieces_per_sentence"] == pytest.approx(
        line["pieces_per_second"] / line["sentences_per_second"], rel=3e-3
    )
    assert 0 < line["padding_efficiency"]["source"] <= 1
    assert line["peak_rss_mib"] > 100
    assert line["seconds_to_first_update"] > 0
    assert "torch" in line["versions"]
    assert not (tmp_path / "runs").exists()


def test_a_bench_of_warm_up_steps_alone_is_refused(corpus: Path) -> None:
    with pytest.raises(UserError, match="--steps is 5, but the first 5 only warm up"):
        bench_training(recipe(corpus), steps=5, ranks=DistributedConfig())


def test_the_largest_batches_come_first() -> None:
    import numpy as np

    random = np.random.default_rng(0)
    lengths = random.integers(1, 50, 500), random.integers(1, 50, 500)
    plan = TokenBatchSampler(*lengths, batch_tokens=200, batches_per_step=4)

    def size(rows: Any) -> int:
        return len(rows) * int(sum(side[rows].max() for side in lengths))

    sizes = [size(batch.indices) for batch in plan.plan_epoch(0)]
    assert min(sizes[:4]) >= max(sizes[4:])
    later = [size(batch.indices) for batch in plan.plan_epoch(1)]
    assert later[0] < max(later)


def test_narrow_numbers_train(corpus: Path, tmp_path: Path) -> None:
    narrow = recipe(corpus, max_epochs=None, max_steps=2, precision="bf16-mixed")
    train(narrow, tmp_path / "run")
    said = (tmp_path / "run" / "train.log").read_text()
    assert "finished after 2 steps" in said


def test_a_target_without_a_language_code_gets_the_warning_of_training(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "run_checks", lambda recipe, *, device: [])
    yaml = tmp_path / "my.yaml"
    yaml.write_text(recipe_yaml(recipe(corpus)), encoding="utf-8")
    runner = CliRunner()
    assert runner.invoke(app, ["doctor", str(yaml)]).stderr == ""
    done = runner.invoke(app, ["doctor", str(yaml), "-o", "data.target=german"])
    assert "".join(done.stderr.split("\n")) == language_warning("german")
