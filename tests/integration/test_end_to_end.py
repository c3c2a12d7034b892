"""The whole way: train, continue, translate, evaluate, and what bad input gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import evaluate_split
from seq2seq.recipe import Recipe
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.callbacks.checkpointing import (
    ResumeCheckpoint,
    weight_averaging,
)
from seq2seq.training.train import train
from seq2seq.translate import Translator

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")

TINY: dict[str, Any] = {
    "embedding_size": 16,
    "encoder": {"cell": "gru", "layers": 1, "hidden_size": 16},
    "decoder": {"cell": "gru", "layers": 1, "hidden_size": 16},
    "word_dropout": 0.1,
}


def tiny(path: Path | str = "phrasebook", **train_options: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {
                "path": str(path),
                "source": "en",
                "target": "de",
                "max_pairs": 600,
            },
            "tokenizer": {"vocab_size": 300},
            "model": TINY,
            "train": {
                "max_steps": 12,
                "batch_tokens": 400,
                "validate_every": 5,
                "checkpoint_every": 2,
                "accumulate_grad_batches": 2,
                "schedule": {"kind": "plateau", "patience": 1},
                "ema_decay": 0.9,
                **train_options,
            },
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)  # As in every test here: the number changes the sums.
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2SEQ_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        train(tiny(), folder)
    return folder


def test_a_run_folder_holds_all_that_it_promises(run: Path) -> None:
    for name in (
        "recipe.yaml",
        "tokenizer/source.model",
        "tokenizer/target.model",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "metrics.csv",
        "train.log",
        "data.json",
        "versions.json",
        "summary.json",
    ):
        assert (run / name).stat().st_size > 0, name
    assert read_checkpoint(run / "checkpoints/last.ckpt")["global_step"] == 12
    steps = [row.split(",")[0] for row in (run / "metrics.csv").read_text().split()]
    assert steps == ["step", "5", "10", "12"]


def test_a_finished_run_says_so_and_stays_as_it_is(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "checkpoints/last.ckpt").read_bytes()
    train(tiny(), run)
    assert "is finished" in capsys.readouterr().out
    assert (run / "checkpoints/last.ckpt").read_bytes() == before


def test_another_recipe_does_not_continue_a_run(run: Path) -> None:
    with pytest.raises(UserError, match=r"train.max_steps was 12, is now 13"):
        train(tiny(max_steps=13), run)


class KilledError(Exception):
    pass


def dies_at(patch: pytest.MonkeyPatch, step: int) -> None:
    kept = ResumeCheckpoint.on_train_batch_end

    def die(self: ResumeCheckpoint, trainer: Any, *rest: Any) -> None:
        kept(self, trainer, *rest)
        if trainer.global_step == step:
            raise KilledError

    patch.setattr(ResumeCheckpoint, "on_train_batch_end", die)


@pytest.mark.parametrize("step", [1, 3, 5, 6, 10, 11])
def test_a_killed_run_continues_to_the_same_bits(
    run: Path, tmp_path: Path, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        dies_at(patch, step)
        with pytest.raises(KilledError):
            train(tiny(), tmp_path / "run")
    train(tiny(), tmp_path / "run")
    names = ("state_dict", "current_model_state", "averaging_state", "optimizer_states")
    one, other = (
        read_checkpoint(folder / "checkpoints/last.ckpt")
        for folder in (run, tmp_path / "run")
    )
    for name in names:
        assert_same(one[name], other[name])
    whole, continued = (
        [row.split(",")[7:] for row in (folder / "metrics.csv").read_text().split()]
        for folder in (run, tmp_path / "run")
    )
    assert whole == continued


def test_the_best_checkpoint_holds_the_averaged_weights(tmp_path: Path) -> None:
    train(tiny(max_steps=4, validate_every=4), tmp_path)
    best, last = (
        read_checkpoint(tmp_path / "checkpoints" / f"{name}.ckpt")
        for name in ("best", "last")
    )
    assert_same(best["state_dict"], last["state_dict"])
    averaged, trained = last["state_dict"], last["current_model_state"]
    assert any(not torch.equal(averaged[name], trained[name]) for name in trained)


def test_an_average_is_short_at_first_and_long_later() -> None:
    average = weight_averaging(0.9)._kwargs["multi_avg_fn"]
    for updates, share in ((1, 1 - 2 / 11), (1000, 0.1)):
        old, new = [torch.zeros(2), torch.zeros(3)], [torch.ones(2), torch.ones(3)]
        average(old, new, torch.tensor(updates))
        assert torch.cat(old).tolist() == pytest.approx([share] * 5)


def test_a_run_without_averages_continues_too(tmp_path: Path) -> None:
    plain = tiny(max_steps=4, ema_decay=None)
    train(plain, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        dies_at(patch, 3)
        with pytest.raises(KilledError):
            train(plain, tmp_path / "cut")
    train(plain, tmp_path / "cut")
    one, other = (
        read_checkpoint(tmp_path / name / "checkpoints/last.ckpt")["state_dict"]
        for name in ("whole", "cut")
    )
    assert_same(one, other)


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for each, its in zip(one, other, strict=True):
            assert_same(each, its)
    else:
        assert one == other


def test_the_same_seed_trains_the_same_weights(run: Path, tmp_path: Path) -> None:
    train(tiny(), tmp_path)
    one, other = (
        read_checkpoint(folder / "checkpoints/last.ckpt")["state_dict"]
        for folder in (run, tmp_path)
    )
    assert_same(one, other)


def test_lines_out_are_lines_in_whatever_they_hold(run: Path) -> None:
    translator = Translator.load(run)
    lines = ["The dog sleeps.", "", "  ", "a\u2028b\x85c\x0b", "x" * 3000, "\0", "你好"]
    lines += ["The man reads a book."] * 3
    found = translator(lines, beam_size=2)
    assert len(found) == len(lines)
    assert found[1] == found[2] == ""
    assert not any("\n" in line for line in found)
    assert found[-1] == found[-2] == found[-3]
    alone = [translator([line], beam_size=2)[0] for line in lines]
    assert found == alone


def test_evaluating_keeps_scores_and_hypotheses(run: Path) -> None:
    found = evaluate_split(run, "test", beam_size=1)
    place = run / "evaluation" / "test"
    scores = json.loads((place / "scores.json").read_text())
    assert scores["sentences"] == len(found.hypotheses) == 500
    assert scores["bleu"]["score"] == found.scores.bleu.score
    assert "tok:13a" in scores["bleu"]["signature"]
    names = {"bleu", "chrf", "ter", "sentences", "sentence_splitting", "data"}
    assert names == set(scores)
    assert scores["data"] == {"path": "phrasebook"}
    assert scores["sentence_splitting"] == "split"
    assert Translator.load(run).multi_sentence_share == 0.0
    lines = (place / "hypotheses.txt").read_text(encoding="utf-8").split("\n")
    assert lines == [*found.hypotheses, ""]


@pytest.mark.parametrize("columns", ["translation", "flat"])
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("layout", ["data", "split files"])
def test_a_hub_style_folder_trains(
    tmp_path: Path, columns: str, kind: str, layout: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = tmp_path / "dataset"
    data.mkdir()
    (data / "README.md").write_text("---\nlicense: apache-2.0\n---\nA data set.\n")
    folder = data / "data" if layout == "data" else data
    folder.mkdir(exist_ok=True)
    for split, count in (("train", 200), ("valid", 10)):
        pairs = list(phrase_pairs("train", count=count))
        rows = [{"en": english, "de": german} for english, german in pairs]
        if columns == "translation":
            rows = [{"translation": row} for row in rows]  # type: ignore[dict-item]
        name = f"{split}-00000-of-00001" if layout == "data" else split
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
        else:
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(text)
    train(tiny(data, max_steps=2, accumulate_grad_batches=1), tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").is_file()


def seq2seq(*arguments: str, cwd: Path, text: bytes = b"") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "seq2seq", *arguments],
        cwd=cwd,
        input=text,
        capture_output=True,
        check=False,
        timeout=1200,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def corpus(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    for name in ("train.en", "train.de", "valid.en", "valid.de"):
        usual = b"a dog\nthe cat\n" if name.endswith("en") else b"ein Hund\ndie Katze\n"
        (folder / name).write_bytes(files.get(name.replace(".", "_"), usual))
    return folder


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"train_de": b"ein Hund\n"}, "train.en has 2 lines but"),
        ({"train_de": b"ein Hund\n\xff\n"}, "train.de:2: "),
        ({"train_en": b"", "train_de": b""}, "no text to train a tokenizer on"),
        ({"valid_en": b"", "valid_de": b""}, "has no sentence pairs"),
        (
            {"valid_en": b"a cow\n", "valid_de": b"eine Kuh\n"},
            "tokenizer.vocab_size is 4,000, but this text yields at most",
        ),
    ],
)
def test_bad_data_gets_one_line_and_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    data = corpus(tmp_path / "data", **files)
    status, _, errors = seq2seq(
        "train", "multi30k-en-de", "-o", f"data.path={data}",
        "-o", "data.splits={train: train, valid: valid}",
        cwd=tmp_path,
    )  # fmt: skip
    assert status == 1
    assert says in errors
    assert errors.count("\n") == 1
    assert "Traceback" not in errors
    assert not (tmp_path / "runs").exists()


def test_a_wrong_recipe_shows_every_fault_at_once(tmp_path: Path) -> None:
    recipe = tmp_path / "my.yaml"
    recipe.write_text(
        "extends: quickstart\nmodel:\n  dropot: 1\ntrain:\n  max_steps: x\n"
    )
    status, _, errors = seq2seq("train", "my.yaml", cwd=tmp_path)
    assert status == 1
    first, second = errors.strip().split("\n")
    assert first.startswith("error: my.yaml:3: model.dropot: ")
    assert "'dropout'" in first
    assert second.startswith("error: my.yaml:5: train.max_steps: ")


def test_standard_input_becomes_standard_output(run: Path, tmp_path: Path) -> None:
    text = b"The dog sleeps.\n\nThe man works.\n"
    status, out, errors = seq2seq("translate", str(run), cwd=tmp_path, text=text)
    assert (status, errors) == (0, "")
    assert len(out.split("\n")) == 4
    assert out.split("\n")[1] == ""


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    status, _, errors = seq2seq("translate", str(tmp_path), cwd=tmp_path)
    assert status == 1
    assert "is no run folder: it has no recipe.yaml" in errors


def test_a_damaged_checkpoint_is_refused(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    best = copy / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes()[:1000])
    with pytest.raises(UserError, match="is damaged or no checkpoint of ours"):
        Translator.load(copy)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("recipe", "folder"), [("multi30k-en-de", "multi30k"), ("tatoeba-en-de", "tatoeba")]
)
def test_real_text_trains_and_scores(
    real_data: Path, tmp_path: Path, recipe: str, folder: str
) -> None:
    from seq2seq.recipe.loader import read_recipe

    small = [
        f"data.path={real_data / folder}",
        "data.max_pairs=2000",
        "train.max_steps=4",
    ]
    small += ["tokenizer.vocab_size=1000", "model.encoder.hidden_size=16"]
    train(read_recipe(recipe, small), tmp_path / "run")
    found = evaluate_split(tmp_path / "run", "test", beam_size=1)
    assert found.scores.sentences == {"multi30k": 1000, "tatoeba": 1522}[folder]
