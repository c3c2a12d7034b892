"""A training that gets sick, runs out of memory or out of disk, or is not alone."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seq2seq.data.collate import collate
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import Recipe
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.callbacks.nan_detector import LR_CUT, NonFiniteCheck
from seq2seq.training.module import TrainingModule
from seq2seq.training.oom import OOMSplitter
from seq2seq.training.train import train
from seq2seq.types import PAD, Batch

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 300), ("valid", 5)):
        pairs = list(phrase_pairs("train", count=count))
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def tiny(path: Path, **options: Any) -> Recipe:
    stack = {"cell": "gru", "layers": 1, "hidden_size": 16}
    return Recipe.model_validate(
        {
            "data": {"path": str(path), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 200},
            "model": {
                "embedding_size": 16,
                "encoder": stack,
                "decoder": stack,
                "dropout": 0.0,
            },
            "train": {
                "max_steps": 6,
                "batch_tokens": 400,
                "validate_every": 100,
                "checkpoint_every": 2,
                **options,
            },
        }
    )


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    found = read_checkpoint(folder / "checkpoints" / f"{name}.ckpt")["state_dict"]
    assert isinstance(found, dict)
    return found


def sick_above(patch: pytest.MonkeyPatch, limits: dict[int, float]) -> None:
    """Make losses infinite at some steps, as long as the rate is above a limit."""
    healthy = TrainingModule.training_step

    def step(self: TrainingModule, batch: Any, batch_idx: int) -> dict[str, Any]:
        found = healthy(self, batch, batch_idx)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        if rate > limits.get(self.global_step + 1, 9.0):
            found["loss"] = found["loss"] * torch.inf
        return found

    patch.setattr(TrainingModule, "training_step", step)


def test_a_sick_step_is_named_with_its_sentences_and_never_saved(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick_above(monkeypatch, {3: 0.0})
    with pytest.raises(UserError, match=r"^step 3: the loss or its gradient") as found:
        train(tiny(data), tmp_path)
    assert "on_nan to retry" in str(found.value)
    told = (tmp_path / "not-finite-step-3.tsv").read_text(encoding="utf-8")
    first = told.splitlines()[0].split("\t")
    assert first[0].isdigit()
    assert len(first) == 3
    assert repr("\t".join(first))[:40] in str(found.value)
    assert read_checkpoint(tmp_path / "checkpoints/last.ckpt")["global_step"] == 2
    assert all(each.isfinite().all() for each in weights(tmp_path).values())


def test_a_sick_run_goes_back_and_on_with_half_the_rate(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sick at step 3 at the full rate, at 5 at half of it: the cuts add up.
    rate = tiny(data).train.optimizer.learning_rate
    sick_above(monkeypatch, {3: 0.9 * rate, 5: 0.4 * rate})
    train(tiny(data, on_nan="retry"), tmp_path)
    last = read_checkpoint(tmp_path / "checkpoints/last.ckpt")
    assert last["global_step"] == 6
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == rate * LR_CUT**2
    assert (tmp_path / "train.log").read_text().count("Trying again with") == 2


def test_a_run_that_stays_sick_ends(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick_above(monkeypatch, {1: 0.0})
    with pytest.raises(UserError, match=r"^step 1: "):
        train(tiny(data, on_nan="retry", max_steps=2), tmp_path)
    assert (tmp_path / "train.log").read_text().count("Trying again with") == 5


def test_a_sick_loss_is_found_without_asking_the_device_at_every_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(
        NonFiniteCheck, "check", lambda self: looks.append(len(self.finite))
    )
    train(tiny(data, max_steps=5, checkpoint_every=100), tmp_path)
    assert looks[0] == 4  # At the checkpoint before the last step and its validation.


class Full(torch.autograd.Function):
    """Is a value on the way forth and a full memory on the way back."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 byte")


class Small(nn.Module):
    """A loss in two parameters; `late` has its gradient before `early`."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Parameter(torch.linspace(-1, 1, 50, dtype=torch.float64))
        self.late = nn.Parameter(torch.ones(50, dtype=torch.float64))

    def loss(self, batch: Batch, full: str = "") -> LossOutput:
        if full == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        early = Full.apply(self.early) if full == "backward" else self.early
        real = batch.targets[batch.targets != PAD]
        total = (early[real] ** 2 * self.late[real]).sum()
        return LossOutput(total, total.detach())


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("accumulated", [False, True])
@pytest.mark.parametrize("fits", [1, 3, 7])
def test_halves_add_up_to_the_batch(where: str, accumulated: bool, fits: int) -> None:
    sources = [list(range(4, 6 + row % 5)) for row in range(13)]
    targets = [list(range(4, 5 + row * 7 % 9)) for row in range(13)]
    batch = collate(sources, targets, num_tokens=100)
    whole, split = Small(), Small()
    if accumulated:
        for each in (*whole.parameters(), *split.parameters()):
            each.grad = torch.ones_like(each)
    wanted = whole.loss(batch)
    (wanted.loss / 100).backward()
    said: list[str] = []
    halver = OOMSplitter(
        lambda part: split.loss(part, where if len(part.source) > fits else ""),
        nullcontext,
        said.append,
    )
    loss = halver.forward(batch)
    halver.backward(loss.loss / 100, list(split.parameters()), share=0.01)
    torch.testing.assert_close(loss.nll.double(), wanted.nll)
    for mine, its in zip(split.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad)
    assert said[0].startswith("a batch of 13 sentences, 10 tokens long, does not fit")
    told = len(said)
    halver.forward(batch)  # So large a batch is not tried again.
    assert len(said) == told


def test_a_batch_that_does_not_fit_is_trained_on_in_halves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SGD leaves the rounding of sums as small as it is; Adam would scale it up.
    recipe = tiny(
        data, max_steps=2, optimizer={"kind": "sgd"}, accumulate_grad_batches=2
    )
    train(recipe, tmp_path / "whole")
    roomy = EncoderDecoder.forward

    def forward(self: EncoderDecoder, batch: Batch, **options: Any) -> LossOutput:
        if self.training and len(batch.source) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return roomy(self, batch, **options)

    monkeypatch.setattr(EncoderDecoder, "forward", forward)
    train(recipe, tmp_path / "split")
    log = (tmp_path / "split" / "train.log").read_text()
    assert re.search(r"step 1: a batch of \d+ sentences, .* split in halves", log)
    whole, split = (weights(tmp_path / name) for name in ("whole", "split"))
    for name in whole:
        torch.testing.assert_close(split[name], whole[name], rtol=1e-4, atol=1e-6)


def test_a_pair_that_does_not_fit_alone_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, batch: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(EncoderDecoder, "forward", full)
    with pytest.raises(UserError, match=r"pair \d+ alone, of \d+ source .* Lower"):
        train(tiny(data), tmp_path)


def test_other_errors_are_not_taken_for_a_full_memory(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, batch: Any, **options: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(EncoderDecoder, "forward", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        train(tiny(data), tmp_path)


def test_a_training_that_stopped_early_stays_stopped_when_its_folder_has_moved(
    data: Path, tmp_path: Path
) -> None:
    """As if it had been killed before the summary, and the folder renamed since."""
    # A rate of nothing learns nothing: the first validation stays the best.
    recipe = tiny(
        data,
        max_steps=60,
        validate_every=4,
        patience=2,
        monitor="loss",
        ema_decay=0.9,
        optimizer={"kind": "adam", "learning_rate": 1e-12},
    )
    train(recipe, tmp_path / "run")
    before = weights(tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["steps"], summary["best_step"]) == (12, 4)
    (tmp_path / "run" / "summary.json").unlink()
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    train(recipe, moved)
    after = weights(moved)
    assert all(torch.equal(after[name], before[name]) for name in before)
    again = json.loads((moved / "summary.json").read_text())
    assert {**again, "seconds": 0} == {**summary, "seconds": 0}


def test_a_diverged_run_says_so_and_what_to_do(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny(
        data,
        validate_every=3,
        clip_norm=None,
        optimizer={"kind": "adam", "learning_rate": 100},
    )
    train(recipe, tmp_path / "run")
    text = capsys.readouterr().out
    assert "best so far" not in text
    assert text.count("perplexity >1e6") == 2
    assert not re.search(r"perplexity \d{7}", text)
    assert re.search(r"\(worse than uniform guessing, log 200 = 5\.30\)", text)
    assert (
        "-o train.optimizer.learning_rate=10 -o train.clip_norm=1 --output "
        f"{tmp_path / 'run'}-2" in text
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["warning"].startswith("worse than uniform guessing")
    warning = next(line for line in text.split("\n") if "diverged" in line)
    train(recipe, tmp_path / "run")
    again = capsys.readouterr().out
    assert again.startswith(f"{warning}\n{tmp_path / 'run'} is finished. Next: ")


def test_a_run_that_learns_is_not_called_diverged(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = {"kind": "adam", "learning_rate": 0.02}
    train(tiny(data, max_steps=20, validate_every=10, optimizer=rate), tmp_path / "run")
    text = capsys.readouterr().out
    assert "best so far" in text
    assert "uniform guessing" not in text
    assert "diverged" not in text
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["warning"] == ""
