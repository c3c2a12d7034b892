"""From a recipe to a run folder: data, model, Lightning's Trainer.

Knows how the rooms fit together for training; the maths is in nn, the order of batches
in data, the hooks in callbacks.
"""

from __future__ import annotations

import logging
import time
import warnings
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch
from lightning.pytorch import Trainer
from rich.console import Console
from torch.utils.data import DataLoader

from seq2seq.callbacks.health import CUT, RETRIES, Health, NotFiniteError
from seq2seq.callbacks.history import History
from seq2seq.callbacks.judge import Judge
from seq2seq.callbacks.keeper import Keeper, averaging, batches_done
from seq2seq.callbacks.lens import Lens
from seq2seq.callbacks.signals import Signals
from seq2seq.checkpoint import AtomicCheckpointIO
from seq2seq.continuing import (
    alone,
    check_same_data,
    check_same_recipe,
    where_it_stopped,
)
from seq2seq.data.batching import BatchPlan
from seq2seq.data.translation import (
    EncodedPairs,
    Position,
    Sampling,
    TrainBatches,
    sorted_batches,
)
from seq2seq.errors import InputError
from seq2seq.models.lightning_module import TranslationModule
from seq2seq.recipe import Recipe
from seq2seq.recipe_file import recipe_yaml
from seq2seq.run_folder import RunFolder, versions, write_json
from seq2seq.text.lines import atomic_file
from seq2seq.text.prepare import Prepared, Tokenizers, prepare, scored_pairs
from seq2seq.text.sums import LIST


def train(recipe: Recipe, output: Path) -> None:
    """Train what a recipe describes, or continue where an earlier call stopped.

    Args:
        recipe: What to train.
        output: The run folder; made if it is not there.

    Raises:
        InputError: If the data cannot be used, or the folder holds another recipe's
            run.
    """
    run = RunFolder(output)
    text = recipe_yaml(recipe)
    check_same_recipe(run, recipe)
    if run.summary.is_file():
        Console().print(
            f"{output} is finished. Next: seq2seq evaluate {output}", soft_wrap=True
        )
        return
    with Signals() as signals:
        # Data is opened before anything is written, so that a fault leaves nothing.
        console = Console(highlight=False)
        valid = scored_pairs(recipe.data, recipe.data.splits.valid)
        show = partial(console.print, soft_wrap=True)
        prepared = prepare(recipe.data, recipe.tokenizer, show)
        check_same_data(run, prepared)
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{output}: cannot be made: {error.strerror}.") from error
        with alone(run), run.log.open("a", encoding="utf-8") as log:
            say = _Teller(console, log)
            say(prepared.counts.sentence(recipe.data))
            (run.path / LIST).unlink(missing_ok=True)  # Until all are in place.
            with atomic_file(run.recipe) as file:
                file.write(text.encode())
            run.write_tokenizers(prepared.tokenizers.source, prepared.tokenizers.target)
            run.write_sums()
            write_json(run.path / "versions.json", versions())
            _fit_or_retry(recipe, run, prepared, valid, say, signals)


class _Teller:
    """Say a line on the screen and in the log."""

    def __init__(self, console: Console, log: IO[str]) -> None:
        self.console = console
        self.log = log

    def __call__(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
        self.log.write(time.strftime("%Y-%m-%d %H:%M:%S ") + line + "\n")
        self.log.flush()


def _fit_or_retry(
    recipe: Recipe,
    run: RunFolder,
    prepared: Prepared,
    valid: Any,
    say: _Teller,
    signals: Signals,
) -> None:
    """Train; go back and on with a smaller rate where the recipe wants that."""
    cuts = 0
    while True:
        try:
            return _fit(recipe, run, prepared, valid, say, signals, cuts)
        except NotFiniteError as error:
            if recipe.train.on_not_finite == "stop" or error.cuts == RETRIES:
                raise InputError(
                    f"{error} Lower train.optimizer.learning_rate, mend the sentences, "
                    "or set train.on_not_finite to retry."
                ) from error
            cuts = error.cuts + 1
            say(f"{error} Trying again with {CUT**cuts:g} times the learning rate.")


def _fit(
    recipe: Recipe,
    run: RunFolder,
    prepared: Prepared,
    valid: Any,
    say: _Teller,
    signals: Signals,
    cuts: int,
) -> None:
    """Build the model and let Lightning train it."""
    options = recipe.train
    pairs = EncodedPairs(prepared.path)
    plan = BatchPlan(
        pairs.source.lengths + 1,
        pairs.target.lengths + 1,
        batch_tokens=options.batch_tokens,
        step_batches=options.accumulate,
        seed=recipe.seed,
    )
    limits = [options.max_steps, (options.max_epochs or 0) * plan.steps or None]
    total_steps = min(limit for limit in limits if limit is not None)
    torch.manual_seed(recipe.seed)
    module = TranslationModule(
        recipe,
        source_pieces=len(prepared.tokenizers.source),
        target_pieces=len(prepared.tokenizers.target),
        total_steps=total_steps,
    )
    efficiency = plan.padding_efficiency()
    write_json(
        run.path / "data.json",
        {
            "train": {"fingerprint": prepared.fingerprint, **vars(prepared.counts)},
            "valid": {"sentences": len(valid)},
            "batches_per_epoch": plan.batches,
            "padding_efficiency": {"source": efficiency[0], "target": efficiency[1]},
        },
    )
    count = sum(parameter.numel() for parameter in module.parameters())
    say(
        f"{count:,} parameters; {plan.batches:,} batches an epoch; {total_steps:,} "
        f"steps; {len(valid):,} pairs to validate on"
    )
    history = History(
        run.metrics,
        total_steps=total_steps,
        steps_per_epoch=plan.steps,
        say=say,
    )
    judge = Judge(
        run.best,
        recipe,
        references=[pair.target for pair in valid],
        tokenizer=prepared.tokenizers.target,
        history=history,
    )
    # Lightning calls them in this order: the judge sees averaged weights before they
    # leave, and the keeper saves the average that includes the step just taken.
    averages = [] if options.ema_decay is None else [averaging(options.ema_decay)]
    keeper = Keeper(run.last, options, signals)
    health = Health(run.path, pairs, prepared.tokenizers, say=say, cuts=cuts)
    lens = Lens(run.path / "lens.csv", clip_norm=options.clip_norm)
    lenses = [lens] if options.lens else []
    trainer = _trainer(
        recipe, total_steps, [health, history, *lenses, judge, *averages, keeper], run
    )
    batches = TrainBatches(
        pairs,
        plan,
        position=lambda: Position(
            batches_done(trainer), trainer.global_rank, trainer.world_size
        ),
        sampling=Sampling(
            prepared.tokenizers.source,
            prepared.tokenizers.target,
            options.piece_sampling,
            recipe.seed,
        )
        if options.piece_sampling
        else None,
    )
    resume = where_it_stopped(run, say)
    if resume:
        say(f"continuing from {resume}")
    trainer.fit(
        module,
        train_dataloaders=batches,
        val_dataloaders=_validation(valid, prepared.tokenizers, options.batch_tokens),
        ckpt_path=resume,
        weights_only=True,
    )
    early = trainer.global_step < total_steps
    reason = "no better validation" if early else "all steps done"
    seconds = history.state_dict()["seconds"]
    write_json(
        run.summary,
        {
            "steps": trainer.global_step,
            "seconds": round(seconds, 1),
            "parameters": count,
            "best_step": judge.best_step,
            f"best_valid_{options.monitor}": abs(judge.best),
            "stopped": reason,
        },
    )
    say(
        f"finished after {trainer.global_step:,} steps and {seconds / 60:.1f} minutes "
        f"({reason}); best validation at step {judge.best_step:,}"
    )
    say(f"next: seq2seq evaluate {run.path}")


def _validation(valid: Any, tokenizers: Tokenizers, batch_tokens: int) -> Any:
    """Wrap the validation batches, or Lightning takes each tuple for more loaders."""
    batches = sorted_batches(
        tokenizers.source.encode([pair.source for pair in valid]),
        tokenizers.target.encode([pair.target for pair in valid]),
        batch_tokens=batch_tokens,
    )
    loader: Any = batches  # DataLoader reads any sequence, whatever its type says.
    return DataLoader(loader, batch_size=None, collate_fn=lambda batch: batch)


def _trainer(
    recipe: Recipe, total_steps: int, callbacks: list[Any], run: RunFolder
) -> Trainer:
    """Set Lightning up: one endless epoch, validation by steps, nothing of its own."""
    options = recipe.train
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # About workers, loggers and progress bars that we do without on purpose.
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    interval = min(options.validate_every, total_steps) * options.accumulate
    return Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=-1,
        max_steps=total_steps + 1,  # The judge ends it, after a last validation.
        accumulate_grad_batches=options.accumulate,
        check_val_every_n_epoch=None,
        val_check_interval=interval,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO({run.last: run.previous})],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )
