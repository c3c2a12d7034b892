"""From a recipe to a run folder: data, model, Lightning's Trainer.

Knows how the rooms fit together for training; the maths is in nn, the order of batches
in data, the hooks in callbacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import torch
from lightning.pytorch import Callback
from rich.console import Console

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.corpora import SentencePair
from seq2seq.data.dataset import (
    ResumePosition,
    TrainDataLoader,
    open_dataset,
)
from seq2seq.data.preprocessing import PreprocessedData, load_eval_pairs, preprocess
from seq2seq.errors import UserError
from seq2seq.metrics.sacrebleu_scores import bleu_metric
from seq2seq.recipe import Recipe, TrainOptions
from seq2seq.recipe.loader import recipe_yaml
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import RunFolder, package_versions, write_json
from seq2seq.training.callbacks.checkpointing import (
    CheckpointCallback,
    num_batches_trained,
    weight_averaging,
)
from seq2seq.training.callbacks.diagnostics import DiagnosticsCallback
from seq2seq.training.callbacks.loggers import ExperimentLoggers
from seq2seq.training.callbacks.metrics_logger import MetricsLogger
from seq2seq.training.callbacks.nan_detector import (
    CUT,
    RETRIES,
    NonFiniteCheck,
    NonFiniteError,
)
from seq2seq.training.callbacks.signals import SignalHandler
from seq2seq.training.callbacks.validation import ValidationCallback
from seq2seq.training.distributed import ProcessGroup
from seq2seq.training.initialization import (
    load_initial_run,
    make_sentence_metric,
    tokenizers_of,
)
from seq2seq.training.lightning_module import TranslationModule
from seq2seq.training.resume import (
    find_resume_checkpoint,
    run_lock,
    validate_resume_data,
    validate_resume_recipe,
    validate_resume_world_size,
)
from seq2seq.training.trainer import make_trainer, validation_loader
from seq2seq.utils.checksums import CHECKSUM_FILE
from seq2seq.utils.files import atomic_file
from seq2seq.utils.progress import PreprocessingProgress


def train(
    recipe: Recipe,
    output: Path,
    *,
    ranks: ProcessGroup = ProcessGroup(),  # noqa: B008
    console: Console | None = None,
    watchers: Sequence[Callback] = (),
) -> None:
    """Train what a recipe describes, or continue where an earlier call stopped.

    Every process of a training calls this; the first one writes and speaks.

    Args:
        recipe: What to train.
        output: The run folder; made if it is not there.
        ranks: Which processes train together.
        console: Where to speak; standard output if None.
        watchers: Callbacks of the caller's own.

    Raises:
        InputError: If the data cannot be used, or the folder holds another recipe's
            run.
    """
    run = RunFolder(output)
    text = recipe_yaml(recipe)
    console = console or Console(highlight=False)
    console.quiet = not ranks.is_main
    validate_resume_recipe(run, recipe)
    validate_resume_world_size(run, ranks.world_size)
    if run.summary.is_file():
        console.print(
            f"{output} is finished. Next: seq2seq evaluate {output}", soft_wrap=True
        )
        return
    loggers = recipe.train.loggers if ranks.is_main else []
    board = ExperimentLoggers(loggers, output, recipe.model_dump()) if loggers else None
    bleu_metric(recipe.data.target)  # A tokenizer may be missing: find out now.
    with SignalHandler() as signals:
        # Data is opened before anything is written, so that a fault leaves nothing.
        start = load_initial_run(recipe)
        valid = load_eval_pairs(recipe.data, recipe.data.splits.valid)
        show = partial(console.print, soft_wrap=True)
        with PreprocessingProgress(console) as bar:
            prepared = preprocess(
                recipe.data,
                recipe.tokenizer,
                show,
                progress=bar,
                tokenizers=tokenizers_of(start),
            )
        validate_resume_data(run, prepared)
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{output}: cannot be made: {error.strerror}.") from error
        place = run.log if ranks.is_main else Path(os.devnull)
        lock = run_lock(run) if ranks.is_main else nullcontext()
        with lock, place.open("a", encoding="utf-8") as log:
            say = _Teller(console, log)
            say.note(prepared.stats.summary(recipe.data))
            if ranks.is_main:
                (run.path / CHECKSUM_FILE).unlink(
                    missing_ok=True
                )  # Until all are in place.
                with atomic_file(run.recipe) as file:
                    file.write(text.encode())
                tokenizers = prepared.tokenizers
                run.write_tokenizers(tokenizers.source, tokenizers.target)
                run.write_checksums()
                write_json(run.path / "versions.json", package_versions())
            job = _Job(
                recipe,
                run,
                start,
                prepared,
                valid,
                say,
                signals,
                board,
                ranks,
                watchers,
            )
            _fit_or_retry(job)


class _Teller:
    """Say a line on the screen and in the log."""

    def __init__(self, console: Console, log: IO[str]) -> None:
        self.console = console
        self.log = log

    def __call__(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
        self.note(line)

    def note(self, line: str) -> None:
        """Write what is on the screen already to the log."""
        self.log.write(time.strftime("%Y-%m-%d %H:%M:%S ") + line + "\n")
        self.log.flush()


@dataclass(frozen=True)
class _Job:
    """One training: what, with what, where, and who watches."""

    recipe: Recipe
    run: RunFolder
    start: Run | None
    prepared: PreprocessedData
    valid: list[SentencePair]
    say: _Teller
    signals: SignalHandler
    board: ExperimentLoggers | None
    ranks: ProcessGroup
    watchers: Sequence[Callback]


def _fit_or_retry(job: _Job) -> None:
    """Train; go back and on with a smaller rate where the recipe wants that."""
    cuts = 0
    while True:
        try:
            return _fit(job, cuts)
        except NonFiniteError as error:
            if job.recipe.train.on_nan == "stop" or error.cuts == RETRIES:
                raise UserError(
                    f"{error} Lower train.optimizer.learning_rate, mend the sentences, "
                    "or set train.on_nan to retry."
                ) from error
            cuts = error.cuts + 1
            job.say(f"{error} Trying again with {CUT**cuts:g} times the learning rate.")


def _fit(job: _Job, cuts: int) -> None:
    """Build the model and let Lightning train it."""
    recipe, run, prepared = job.recipe, job.run, job.prepared
    ranks, say = job.ranks, job.say
    options = recipe.train
    pairs = open_dataset(prepared, recipe.data)
    plan = TokenBatchSampler(
        *pairs.lengths(),
        batch_tokens=options.batch_tokens,
        batches_per_step=options.accumulate_grad_batches * ranks.world_size,
        seed=recipe.seed,
    )
    _check_steps(plan, pairs=len(pairs), options=options, ranks=ranks)
    limits = [
        options.max_steps,
        (options.max_epochs or 0) * plan.steps_per_epoch or None,
    ]
    total_steps = min(limit for limit in limits if limit is not None)
    torch.manual_seed(recipe.seed)
    module = TranslationModule(
        recipe,
        source_vocab_size=len(prepared.tokenizers.source),
        target_vocab_size=len(prepared.tokenizers.target),
        total_steps=total_steps,
        sentence_metric=make_sentence_metric(recipe, prepared.tokenizers.target),
    )
    efficiency = plan.padding_efficiency()
    told = {
        "train": {"fingerprint": prepared.fingerprint, **vars(prepared.stats)},
        "valid": {"sentences": len(job.valid)},
        "batches_per_epoch": plan.batches_per_epoch,
        "padding_efficiency": {"source": efficiency[0], "target": efficiency[1]},
        "ranks": ranks.world_size,
    }
    if ranks.is_main:
        write_json(run.path / "data.json", told)
    count = sum(parameter.numel() for parameter in module.parameters())
    say(
        f"{count:,} parameters; {plan.batches_per_epoch:,} batches an epoch; "
        f"{total_steps:,} "
        f"steps; {len(job.valid):,} pairs to validate on"
    )
    history = MetricsLogger(
        run.metrics,
        total_steps=total_steps,
        steps_per_epoch=plan.steps_per_epoch,
        say=say,
        board=job.board,
    )
    judge = ValidationCallback(
        run.best,
        recipe,
        references=[pair.target for pair in job.valid],
        tokenizer=prepared.tokenizers.target,
        history=history,
        translations=run.path / "translations.csv",
    )
    # Lightning calls them in this order: the judge sees averaged weights before they
    # leave, and the keeper saves the average that includes the step just taken.
    averages = (
        [] if options.ema_decay is None else [weight_averaging(options.ema_decay)]
    )
    keeper = CheckpointCallback(run.last, options, job.signals)
    health = NonFiniteCheck(run.path, pairs, prepared.tokenizers, say=say, cuts=cuts)
    lens = DiagnosticsCallback(
        run.path / "diagnostics.csv", clip_norm=options.clip_norm
    )
    lenses = [lens] if options.diagnostics else []
    callbacks = [health, history, *lenses, judge, *averages, keeper, *job.watchers]
    trainer = make_trainer(recipe, total_steps, callbacks, run, ranks)
    batches = TrainDataLoader(
        pairs,
        plan,
        position=lambda: ResumePosition(
            num_batches_trained(trainer), trainer.global_rank, trainer.world_size
        ),
    )
    resume = find_resume_checkpoint(run, say)
    if resume:
        say(f"continuing from {resume}")
    elif job.start:
        say(f"starting from {job.start.checkpoint}")
        module.network.load_state_dict(job.start.network().state_dict())
    trainer.fit(
        module,
        train_dataloaders=batches,
        val_dataloaders=validation_loader(
            job.valid, prepared.tokenizers, options.batch_tokens, ranks
        ),
        ckpt_path=resume,
        weights_only=True,
    )
    if not ranks.is_main:
        return
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


def _check_steps(
    plan: TokenBatchSampler, *, pairs: int, options: TrainOptions, ranks: ProcessGroup
) -> None:
    """Refuse a plan whose batches cannot be dealt out evenly."""
    needed = options.accumulate_grad_batches * ranks.world_size
    if plan.batches_per_epoch % needed:
        raise UserError(
            f"{pairs:,} pairs make at most {plan.batches_per_epoch:,} batches, but an "
            "optimizer "
            f"step needs {needed} of them: {options.accumulate_grad_batches} "
            "(train.accumulate_grad_batches) for "
            f"each of {ranks.world_size} processes. Lower either, or add text."
        )
