"""TensorBoard, W&B and MLflow are told what the tables are told, and no network is."""

from __future__ import annotations

import csv
import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, call, create_autospec

import lightning.pytorch.loggers
import pytest
import torch
from lightning.pytorch import Callback

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.training.callbacks.loggers import _ENVIRONMENT, _MODULES
from seq2seq.training.train import train

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def surroundings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(cache))
    torch.set_num_threads(1)
    before = dict(os.environ)
    for name in [*_ENVIRONMENT, "WANDB_PROJECT", "MLFLOW_TRACKING_URI"]:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 200), ("valid", 4)):
        pairs = list(phrase_pairs("train", count=count))
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def recipe(data: Path, *loggers: str) -> Recipe:
    stack = {"cell": "gru", "layers": 1, "hidden_size": 8}
    return Recipe.model_validate(
        {
            "data": {"path": str(data), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 200},
            "model": {"embedding_size": 8, "encoder": stack, "decoder": stack},
            "train": {
                "max_steps": 6,
                "batch_tokens": 200,
                "validate_every": 2,
                "checkpoint_every": 2,
                "loggers": list(loggers),
            },
        }
    )


class Leave(Callback):
    """Is gone after a step whose checkpoint is not written."""

    def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 5:
            raise SystemExit(9)


def train_in_two_parts(recipe: Recipe, run: Path) -> None:
    with pytest.raises(SystemExit):
        train(recipe, run, callbacks=[Leave()])
    train(recipe, run)


def table(run: Path, column: str) -> dict[int, float]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {int(row["step"]): float(row[column]) for row in rows if row[column]}


def test_what_is_missing_is_named_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in _MODULES.items():
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UserError) as found:
            train(recipe(data, name), tmp_path / "run")
        assert str(found.value) == (
            f"train.loggers: {name} needs a package that is not installed: "
            f"pip install 'seq2seq-recurrent[{name}]', or take it out of the list."
        )
    assert not (tmp_path / "run").exists()


CLASSES = {"tensorboard": "TensorBoardLogger", "wandb": "WandbLogger"}
CLASSES["mlflow"] = "MLFlowLogger"


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> dict[str, MagicMock]:
    """Stand-ins that refuse every call that Lightning's own loggers would."""
    found = {}
    for name, logger in CLASSES.items():
        monkeypatch.setitem(sys.modules, _MODULES[name], types.ModuleType(name))
        real = getattr(lightning.pytorch.loggers, logger)
        found[name] = create_autospec(real)
        found[name].return_value.experiment.id = "known"
        found[name].return_value.run_id = "known"
        monkeypatch.setattr(lightning.pytorch.loggers, logger, found[name])
    return found


def test_all_are_told_what_the_tables_are_told(
    data: Path, tmp_path: Path, doubles: dict[str, MagicMock]
) -> None:
    run = tmp_path / "run"
    train(recipe(data, *CLASSES), run)
    scores = table(run, "valid_bleu")
    with (run / "samples.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for double in doubles.values():
        told = [
            (each.kwargs["metrics"], each.kwargs["step"])
            for each in double.return_value.log_metrics.call_args_list
        ]
        found = {step: float(v["valid_bleu"]) for v, step in told if "valid_bleu" in v}
        assert found == pytest.approx(scores)
    tensorboard, wandb, mlflow = (each.return_value for each in doubles.values())
    texts = tensorboard.experiment.add_text.call_args_list
    assert [each.args[2] for each in texts] == [2, 4, 6]
    kept = [["line", "reference", "hypothesis"]]
    kept += [[row[key] for key in kept[0]] for row in rows[:4]]
    first = wandb.log_text.call_args_list[0].kwargs
    assert [first["columns"], *[[str(r[0]), *r[1:]] for r in first["data"]]] == kept
    name, text, file = mlflow.experiment.log_text.call_args_list[0].args
    assert (name, file) == ("known", "translations/step-2.txt")
    assert text.split("\n")[:2] == [f"    {row}" for row in kept[1][1:]]
    for logger in (wandb, mlflow):
        (settings,) = logger.log_hyperparams.call_args.args
        assert settings["tokenizer"]["vocab_size"] == 200
    assert tensorboard.experiment.close.called
    assert wandb.experiment.finish.called
    assert mlflow.finalize.call_args == call("success")


def test_they_write_into_the_run_unless_the_environment_says_otherwise(
    data: Path,
    tmp_path: Path,
    doubles: dict[str, MagicMock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    train(recipe(data, *CLASSES), run)
    assert os.environ["WANDB_MODE"] == "offline"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert doubles["tensorboard"].call_args.args == (run / "tensorboard",)
    assert doubles["wandb"].call_args.kwargs["save_dir"] == run / "wandb"
    place = (run / "mlflow").as_uri()
    assert doubles["mlflow"].call_args.kwargs["tracking_uri"] == place
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    train(recipe(data, *CLASSES), tmp_path / "other")
    assert os.environ["WANDB_MODE"] == "online"
    assert doubles["wandb"].call_args.kwargs["project"] == "mine"
    place = doubles["mlflow"].call_args.kwargs["tracking_uri"]
    assert place == "https://example.org"


def test_a_continued_run_goes_on_under_its_name(
    data: Path, tmp_path: Path, doubles: dict[str, MagicMock]
) -> None:
    train_in_two_parts(recipe(data, *CLASSES), tmp_path)
    for name, key, given in (
        ("tensorboard", "purge_step", [1, 5]),
        ("wandb", "version", [None, "known"]),
        ("mlflow", "run_id", [None, "known"]),
    ):
        assert [each.kwargs[key] for each in doubles[name].call_args_list] == given
    ends = doubles["mlflow"].return_value.finalize.call_args_list
    assert ends == [call("failed"), call("success")]


def test_tensorboard_reads_what_was_written(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator

    train_in_two_parts(recipe(data, "tensorboard"), tmp_path)
    found = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    scores = {each.step: each.value for each in found.Scalars("valid_bleu")}
    assert scores == pytest.approx(table(tmp_path, "valid_bleu"), abs=1e-4)


def test_mlflow_reads_what_was_written(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow.tracking")
    from mlflow.tracking import MlflowClient

    train_in_two_parts(recipe(data, "mlflow"), tmp_path)
    client = MlflowClient((tmp_path / "mlflow").as_uri())
    (experiment,) = client.search_experiments(filter_string="name = 'seq2seq'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == tmp_path.name
    assert run.data.params["train/max_steps"] == "6"
    history = client.get_metric_history(run.info.run_id, "valid_bleu")
    scores = {each.step: each.value for each in history}
    assert scores == pytest.approx(table(tmp_path, "valid_bleu"))
    (texts,) = (tmp_path / "mlflow").rglob("step-6.txt")
    assert len(texts.read_text(encoding="utf-8").split("\n    \n")) == 4


def test_wandb_keeps_an_offline_run(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    train_in_two_parts(recipe(data, "wandb"), tmp_path)
    name = json.loads((tmp_path / "wandb/id.json").read_bytes())["id"]
    parts = list((tmp_path / "wandb/wandb").glob(f"offline-run-*-{name}"))
    assert len(parts) == 2
    files = [file for part in parts for file in part.glob("run-*.wandb")]
    content = b"".join(file.read_bytes() for file in files)
    assert b"valid_bleu" in content
    assert b"vocab_size" in content
