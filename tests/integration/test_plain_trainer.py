"""Our LightningModule and LightningDataModule in a Trainer of anybody's own."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger

from seq2seq.data.datamodule import TranslationDataModule
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.recipe import Plateau, Recipe
from seq2seq.training.callbacks.diagnostics import DiagnosticsCallback
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.training.optim import LearningRateSchedule

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
]
LINES = [pair[0] for pair in phrase_pairs("test", count=99)] + [""]


def tiny(**options: Any) -> Recipe:
    stack = {"cell": "gru", "layers": 1, "hidden_size": 16}
    return Recipe.model_validate(
        {
            "data": {
                "path": "phrasebook",
                "source": "en",
                "target": "de",
                "max_pairs": 300,
            },
            "tokenizer": {"vocab_size": 250},
            "model": {
                "embedding_size": 16,
                "encoder": stack,
                "decoder": stack,
                "dropout": 0.2,
            },
            "train": {"max_steps": 1, "batch_tokens": 400, **options},
        }
    )


def parts(recipe: Recipe) -> tuple[TranslationModule, TranslationDataModule]:
    torch.manual_seed(1)
    data = TranslationDataModule(recipe)
    data.load_validation()
    del data.valid_pairs[20:]
    return TranslationModule(recipe, data.tokenizers), data


def trainer(folder: Path, *callbacks: Callback, **options: Any) -> Trainer:
    return Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        callbacks=list(callbacks),
        enable_progress_bar=any(isinstance(c, RichProgressBar) for c in callbacks),
        enable_model_summary=False,
        **{"logger": False, **options},
    )


def equal(one: TranslationModule, other: TranslationModule) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_it_trains_validates_logs_and_stops_early(tmp_path: Path) -> None:
    model, data = parts(tiny(optimizer={"kind": "adam", "learning_rate": 1e-9}))
    checkpoint = ModelCheckpoint(tmp_path, monitor="valid_bleu", mode="max")
    fitting = trainer(
        tmp_path,
        checkpoint,
        # A rate of nothing learns nothing: the third validation is the last.
        EarlyStopping(monitor="valid_loss", min_delta=0.01, patience=2),
        LearningRateMonitor(),
        RichProgressBar(),
        max_steps=600,
        logger=CSVLogger(tmp_path),
        log_every_n_steps=5,
    )
    fitting.fit(model, data)
    assert 0 < fitting.global_step < 600
    assert fitting.current_epoch in (2, 3)
    assert Path(checkpoint.best_model_path).is_file()
    (table,) = tmp_path.rglob("metrics.csv")
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    for name in ("train_loss", "valid_loss", "valid_bleu", "learning_rate", "lr-Adam"):
        assert any(row.get(name) for row in rows), name
    steps = [int(row["step"]) for row in rows if row["train_loss"]]
    assert steps == list(range(5, fitting.global_step + 1, 5))


def test_a_checkpoint_alone_translates_as_the_module_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    model, data = parts(tiny(optimizer={"kind": "adam", "learning_rate": 0.01}))
    checkpoint = ModelCheckpoint(tmp_path / "run", monitor="valid_bleu", mode="max")
    fitting = trainer(tmp_path / "run", checkpoint, max_epochs=2)
    fitting.fit(model, data)
    fitting.save_checkpoint(tmp_path / "alone.ckpt")
    expected = model.translate(LINES)
    del data
    shutil.rmtree(tmp_path / "run")
    shutil.rmtree(tmp_path / "cache")
    loaded = TranslationModule.load_from_checkpoint(
        tmp_path / "alone.ckpt", weights_only=True
    )
    assert equal(loaded, model)
    translations = loaded.translate(LINES)
    assert translations == expected
    assert len(translations) == 100
    assert translations[-1] == ""
    assert len(set(translations)) > 3
    assert loaded.translate(LINES[:1]) == translations[:1]


class Losses(Callback):
    """Adds up the loss of each optimizer step."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.current = 0.0

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Lightning has divided by accumulate_grad_batches.
        self.current += float(outputs["loss"])
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.steps.append(self.current)
            self.current = 0.0


def test_half_the_batch_accumulated_twice_is_the_same_loss(tmp_path: Path) -> None:
    losses = []
    for accumulated in (1, 2):
        # All pairs in one optimizer step, so that both see the same ones.
        recipe = tiny(batch_tokens=100_000 // accumulated)
        model, data = parts(recipe.model_copy(update={"seed": 3}))
        model.network.eval()
        for module in model.modules():
            if hasattr(module, "share"):
                module.share = 0.0  # Dropout draws by the batch.
        seen = Losses()
        trainer(
            tmp_path,
            seen,
            max_steps=3,
            accumulate_grad_batches=accumulated,
            enable_checkpointing=False,
        ).fit(model, data)
        losses.append(seen.steps)
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert losses[0][2] < losses[0][0]


class KilledError(Exception):
    """What a test raises in the place of SIGKILL."""


class Kill(Callback):
    """Dies after a step, as a killed process would, and saves nothing."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == self.step:
            raise KilledError


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("step", [1, 7, 12, 18, 23])
def test_a_killed_training_continues_to_the_same_bits(
    tmp_path: Path, step: int, accumulated: int
) -> None:
    """Steps amid an epoch and at its end, of checkpoints every third step."""
    schedule = {"kind": "cosine", "warmup_steps": 4}
    recipe = tiny(schedule=schedule)
    options = {"max_steps": 24, "accumulate_grad_batches": accumulated}
    whole, data = parts(recipe)
    trainer(tmp_path / "whole", enable_checkpointing=False, **options).fit(whole, data)

    def saving() -> ModelCheckpoint:
        return ModelCheckpoint(
            tmp_path / "killed",
            every_n_train_steps=3,
            save_last=True,
            save_top_k=0,
            enable_version_counter=False,
        )

    killed, data = parts(recipe)
    with pytest.raises(KilledError):
        trainer(tmp_path / "killed", Kill(step), saving(), **options).fit(killed, data)
    last = tmp_path / "killed" / "last.ckpt"
    resumed, data = parts(recipe)
    resuming = trainer(tmp_path / "killed", saving(), **options)
    resuming.fit(
        resumed, data, ckpt_path=last if last.exists() else None, weights_only=True
    )
    assert resuming.global_step == 24
    assert equal(resumed, whole)


def test_validation_has_the_references_of_its_own_loader(tmp_path: Path) -> None:
    model, data = parts(tiny())
    fitting = trainer(tmp_path, max_steps=1, enable_checkpointing=False)
    fitting.fit(model, data)
    _, other = parts(tiny())
    other.valid_pairs = other.valid_pairs[::-1][:7]
    fitting.validate(model, other.val_dataloader(), verbose=False)
    assert model.validation is not None
    expected = [pair.target for pair in other.valid_pairs]
    assert model.validation.references == expected
    # Without their text, references are the decoded targets.
    fitting.validate(model, iter_only(other.val_dataloader()), verbose=False)
    assert model.validation.references == expected


def iter_only(loader: Any) -> Any:
    return torch.utils.data.DataLoader(
        loader.batches, batch_size=None, collate_fn=lambda batch: batch
    )


class Indices(Callback):
    """Records the pairs of each batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.batches.append(batch.indices.tolist())


def test_overfitting_repeats_the_same_batches(tmp_path: Path) -> None:
    model, data = parts(tiny())
    seen = Indices()
    trainer(
        tmp_path, seen, max_epochs=3, overfit_batches=2, enable_checkpointing=False
    ).fit(model, data)
    assert len(seen.batches) == 6
    assert seen.batches[:2] == seen.batches[2:4] == seen.batches[4:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit_train_batches": 3}, "use the recipe's data.max_pairs"),
        ({"gradient_clip_val": 0.1}, "clipped by train.clip_norm of the recipe"),
    ],
)
def test_what_would_go_wrong_silently_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    model, data = parts(tiny())
    fitting = trainer(tmp_path, max_steps=2, enable_checkpointing=False, **options)
    with pytest.raises(UserError, match=message):
        fitting.fit(model, data)


def test_training_batches_need_the_data_module_in_the_trainer() -> None:
    _, data = parts(tiny())
    with pytest.raises(UserError, match=r"trainer.fit\(model, datamodule=data\)"):
        data.train_dataloader()


def test_a_sanity_check_leaves_schedule_and_diagnostics_alone(tmp_path: Path) -> None:
    model, data = parts(tiny(schedule={"kind": "plateau", "patience": 1}))
    diagnostics = DiagnosticsCallback(tmp_path / "diagnostics.csv", clip_norm=1.0)
    fitting = trainer(
        tmp_path,
        diagnostics,
        max_steps=1,
        limit_val_batches=1.0,
        num_sanity_val_steps=2,
        enable_checkpointing=False,
    )
    fitting.fit(model, data)
    assert model.schedule is not None
    assert model.schedule.best is None  # One step of many: no validation yet.


def test_a_plateau_is_counted_across_a_resume() -> None:
    def schedule() -> LearningRateSchedule:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        plateau = Plateau(kind="plateau", patience=2, factor=0.5)
        return LearningRateSchedule(optimizer, plateau, total_steps=10)

    whole = schedule()
    rates = []
    for score in (1.0, 0.5, 1.0, 2.0, 1.0, 2.0):
        whole.validated(score)
        rates.append(whole.get_last_lr()[0])
    # A tie is no improvement; a reduction comes after two without one.
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    first, second = schedule(), schedule()
    for score in (1.0, 0.5):
        first.validated(score)
    second.load_state_dict(first.state_dict())
    second.validated(1.0)
    assert second.get_last_lr() == [0.5]
