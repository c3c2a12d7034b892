"""Tasks from recipe to scores: trained, killed, resumed to the same bits, evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from seq2seq.data.drawn_frames import nback_examples
from seq2seq.data.drawn_shapes import shape_pictures
from seq2seq.recipe import BaseRecipe, recipe_class
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.task_run import TaskRun
from seq2seq.training.train import train
from tests.helpers.cli import invoke
from tests.helpers.report_pages import check_report

LAYER = {"layers": 1, "hidden_size": 8}
STEPS = {"max_steps": 6, "validate_every": 4, "checkpoint_every": 2}


def recall() -> dict[str, Any]:
    return {
        "task": "classification",
        "data": {"path": "recall", "length": 5},
        "tokenizer": {"model_type": "char", "vocab_size": 22},
        "model": {"embedding_size": 8, "encoder": LAYER},
        "train": {**STEPS, "batch_tokens": 256},
    }


def adding() -> dict[str, Any]:
    return {
        "task": "classification",
        "data": {"path": "adding", "length": 5, "target": "number"},
        "tokenizer": None,
        "model": {"embedding_size": 8, "encoder": LAYER},
        "train": {**STEPS, "batch_tokens": 256, "monitor": "rmse", "ema_decay": 0.5},
    }


def nback() -> dict[str, Any]:
    return {
        "task": "tagging",
        "data": {"path": "nback", "back": 1},
        "model": {"embedding_size": 8, "encoder": LAYER},
        "train": {**STEPS, "batch_tokens": 100},
    }


def shapes() -> dict[str, Any]:
    return {
        "task": "captioning",
        "data": {"path": "shapes"},
        "tokenizer": {"model_type": "char", "vocab_size": 29},
        "model": {
            "embedding_size": 8,
            "encoder": {
                "kind": "convolution",
                "channels": [4, 8],
                "strides": [2, 2],
                "shift": 1,
            },
            "decoder": LAYER,
        },
        "train": {**STEPS, "batch_tokens": 300, "monitor": "loss", "ema_decay": 0.5},
    }


RECIPES = {"recall": recall, "adding": adding, "nback": nback, "shapes": shapes}
COUNTS = {"nback": 500, "shapes": 320}


@pytest.mark.parametrize("kill_at", [3, 5])
def test_a_language_model_goes_on_from_the_state_that_it_carried(
    tmp_path: Path, kill_at: int
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for split, lines in (("train", 30), ("valid", 5), ("test", 5)):
        text = "".join(f"{split} {i} the dog sleeps\n" for i in range(lines))
        (data / f"{split}.en").write_text(text)
    recipe = recipe_class("language_model").model_validate(
        {
            "task": "language_model",
            "data": {"path": str(data)},
            "model": {"embedding_size": 8, "decoder": LAYER},
            "train": {**STEPS, "batch_tokens": 32, "truncated_bptt_steps": 8},
        }
    )
    train(recipe, tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(recipe, tmp_path / "killed", callbacks=[Kill(kill_at)])
    train(recipe, tmp_path / "killed")
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    status, out, _ = invoke(
        "evaluate", str(tmp_path / "whole"), "--split", "valid+test", "--json"
    )
    assert status == 0
    scores = json.loads(out)
    assert scores["characters"] == scores["tokens"] > 200
    assert len(scores["baselines"]) == 2
    report = check_report(tmp_path / "whole", scores, "valid+test")
    assert [len(sample["text"]) for sample in report["text"]["samples"]] == [300] * 4
    most, least = (report["text"][f"{end}_surprising"] for end in ("most", "least"))
    costs = [line["bits_per_character"]["network"] for line in (*most, *least)]
    assert costs == sorted(costs, reverse=True)
    assert most[0]["text"].startswith(("valid ", "test "))


class Kill(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, *_: object) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(TaskRun.open(run, checkpoint="last").network().state_dict())


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_task_trains_resumes_to_the_same_bits_and_is_scored(
    name: str, tmp_path: Path
) -> None:
    content = RECIPES[name]()
    recipe: BaseRecipe = recipe_class(content["task"]).model_validate(content)
    train(recipe, tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(recipe, tmp_path / "killed", callbacks=[Kill(3)])
    train(recipe, tmp_path / "killed")
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    status, out, _ = invoke("evaluate", str(tmp_path / "whole"), "--json")
    assert status == 0
    scores = json.loads(out)
    assert scores["task"] == content["task"]
    count = COUNTS.get(name, 1000)
    assert scores["examples"] == count
    main = {"adding": "rmse", "shapes": "exact"}.get(name, "accuracy")
    low, high = scores[main]["interval"]
    assert low <= scores[main]["score"] <= high
    assert name != "nback" or scores["loss"] < 2  # A target, not a sentence.
    assert scores["baselines"]
    saved = (tmp_path / "whole/evaluation/test/hypotheses.txt").read_text()
    assert len(saved.splitlines()) == count
    check_report(tmp_path / "whole", scores)


def test_what_translates_refuses_a_run_of_another_task(tmp_path: Path) -> None:
    content = recall()
    content["train"] |= {"max_steps": 1}
    train(recipe_class("classification").model_validate(content), tmp_path / "run")
    run = str(tmp_path / "run")
    for arguments, message in (
        (["translate", run], "is a run of task: classification"),
        (["compare", run, run], "(classification, classification), and only transl"),
        (["report", run, "--language", "de"], "--language is for translations"),
    ):
        status, _, errors = invoke(*arguments)
        assert status == 1
        assert message in " ".join(errors.split())
        assert "Traceback" not in errors
    assert not (tmp_path / "run/report").exists()


def test_hello_is_learned_and_written(tmp_path: Path) -> None:
    train(read_recipe("lecture/hello"), tmp_path / "hello")
    summary = json.loads((tmp_path / "hello/summary.json").read_text())
    assert summary["best_valid_loss"] < 0.01
    arguments = ["sample", str(tmp_path / "hello"), "--prompt", "h", "--greedy"]
    assert invoke(*arguments) == (0, "hello\n", "")
    status, _, errors = invoke("sample", str(tmp_path / "hello"), "--prompt", "q")
    assert status == 1
    assert "the prompt holds 'q'" in errors


def test_lines_in_are_lines_out(tmp_path: Path) -> None:
    content = recall()
    train(recipe_class("classification").model_validate(content), tmp_path / "run")
    lines = ["aijklmq", "", "bklmnoq", " "] * 20
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    arguments = ["label", str(tmp_path / "run"), str(tmp_path / "in.txt")]
    status, out, _ = invoke(*arguments)
    labels = out.splitlines()
    assert status == 0
    assert len(labels) == 80
    pairs = zip(labels, lines, strict=True)
    assert all((label == "") == (not line.strip()) for label, line in pairs)
    output = tmp_path / "out.jsonl"
    status, _, _ = invoke(*arguments, "--format", "jsonl", "--output", str(output))
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["label"] for row in rows] == labels
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    status, _, errors = invoke(*arguments, "--output", str(tmp_path / "in.txt"))
    assert status == 1
    assert "is an input of this command" in errors


def test_words_in_are_tags_out_and_pictures_are_captions(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "valid", "test"):
        (data / f"{split}.en").write_text("the dog sleeps\na dog\n" * 8)
        (data / f"{split}.tags").write_text("at nn vb\nat nn\n" * 8)
    content = nback() | {"data": {"path": str(data)}}
    train(recipe_class("tagging").model_validate(content), tmp_path / "tags")
    (tmp_path / "in.txt").write_text("the cat sleeps here\n\na dog\n")
    status, out, _ = invoke("label", str(tmp_path / "tags"), str(tmp_path / "in.txt"))
    assert (status, [len(line.split()) for line in out.splitlines()]) == (0, [4, 0, 2])
    train(recipe_class("captioning").model_validate(shapes()), tmp_path / "pictures")
    file = tmp_path / "three.npy"
    np.save(file, shape_pictures("test")[0][:3])
    status, out, _ = invoke("caption", str(tmp_path / "pictures"), str(file))
    assert (status, len(out.splitlines())) == (0, 3)
    status, _, errors = invoke("caption", str(tmp_path / "tags"), str(file))
    assert status == 1
    assert "needs one of task: captioning" in errors
    status, _, errors = invoke("label", str(tmp_path / "pictures"), str(file))
    assert status == 1
    assert "needs one of task: classification or tagging" in errors


def test_frames_in_are_labels_out_whatever_else_is_in_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = nback()
    train(recipe_class("tagging").model_validate(content), tmp_path / "run")
    frames = nback_examples("test", 6, back=1)[0]
    rows = [json.dumps({"frames": f[: 3 + i].tolist()}) for i, f in enumerate(frames)]
    lines = [*rows[::-1], "", *rows]
    (tmp_path / "in.jsonl").write_text("".join(f"{line}\n" for line in lines))
    arguments = ("label", str(tmp_path / "run"), str(tmp_path / "in.jsonl"))
    status, out, _ = invoke(*arguments)
    labels = out.splitlines()
    assert status == 0
    assert [len(line.split()) for line in labels] == [8, 7, 6, 5, 4, 3, 0, *range(3, 9)]
    assert labels[:6] == labels[:6:-1]
    monkeypatch.setattr("seq2seq.evaluation.answer.MAX_POSITIONS", 10)
    assert invoke(*arguments)[1] == out
    for row, message in (
        ("[[1, 2]]", "line 2: this is not a JSON object"),
        ('{"frames": [[1, 2]]}', "line 2: frames of 2 numbers came, but frames of 16"),
    ):
        (tmp_path / "in.jsonl").write_text(f"{rows[0]}\n{row}\n")
        status, _, errors = invoke(*arguments)
        assert (status, errors.count("\n")) == (1, 1)
        assert message in errors


@pytest.mark.parametrize("temperature", ["0", "-1", "nan", "inf"])
def test_a_temperature_is_a_number_above_0(temperature: str) -> None:
    status, _, errors = invoke("sample", "runs/none", f"--temperature={temperature}")
    assert (status, "is to be a number above 0" in errors) == (1, True)


@pytest.mark.parametrize("name", ["lecture/hello", "lecture/recall"])
def test_the_doctor_tries_other_tasks_too(name: str) -> None:
    overrides = ["-o", "data.length=5"] if name == "lecture/recall" else []
    status, out, errors = invoke("doctor", name, *overrides)
    assert status == 0
    assert "overfitting one batch" in out
    assert "no language code" not in errors
