"""Train a recipe into a run folder: what happens, in order.

`train` prepares the data, locks the run folder, writes recipe and tokenizers, and calls
`_fit`, which builds a data module and a TrainingModule, as any Lightning program can
(`lightning_module` has an example), and gives them to a Trainer. One training step then
runs through these places:

1. `data.dataset.TrainDataLoader` yields the next Batch of the epoch's plan
   (`data.batch_sampler`); Lightning moves it to the device.
2. `TrainingModule.on_train_batch_start` seeds dropout by the batch's number.
3. `TrainingModule.training_step`: the task's `loss`, divided by the tokens of the
   whole optimizer step. To translate, `models.encoder_decoder` encodes the source,
   decodes the target by teacher forcing and sums the cross-entropy (`nn.loss`).
4. `TrainingModule.backward`: gradients, in halves where memory is full
   (`training.oom`); DDP adds up those of all processes.
5. After `train.accumulate_grad_batches` batches:
   `TrainingModule.configure_gradient_clipping` clips by norm and, every 50 steps,
   logs train_loss and others; the optimizer and the learning-rate schedule
   (`training.optim`) step.
6. Callbacks, `on_train_batch_end`: NonFiniteCheck notes whether loss and gradient were
   finite; MetricsLogger writes metrics.csv; WeightAveraging updates its average;
   StopAtLastStep asks Lightning to stop; ResumeCheckpoint, last, writes
   checkpoints/last.ckpt where one is due or a signal came.
7. Every `train.validate_every` steps: averaged weights are swapped in;
   `TrainingModule.validation_step` computes the loss and greedy translations, or
   other answers; `on_validation_epoch_end` logs valid_loss, valid_bleu and the like;
   EarlyStopping decides; BestCheckpoint writes checkpoints/best.ckpt; ResumeCheckpoint
   writes last.ckpt.

`runs.checkpoint_io.AtomicCheckpointIO` writes every checkpoint whole or not at all.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from rich.console import Console

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe, TranslationTrainOptions
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.runs.checkpoint_io import read_training_state
from seq2seq.runs.run_folder import RunFolder, package_versions, write_json
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks import open_data
from seq2seq.tasks.data import TaskData
from seq2seq.training.callbacks.checkpointing import (
    BestCheckpoint,
    ResumeCheckpoint,
    weight_averaging,
)
from seq2seq.training.callbacks.diagnostics import DiagnosticsCallback
from seq2seq.training.callbacks.loggers import (
    close_loggers,
    make_loggers,
    require_loggers,
)
from seq2seq.training.callbacks.metrics_logger import MetricsLogger
from seq2seq.training.callbacks.nan_detector import (
    LR_CUT,
    MAX_RETRIES,
    NonFiniteCheck,
    NonFiniteError,
)
from seq2seq.training.callbacks.signals import SignalHandler
from seq2seq.training.callbacks.validation import StopAtLastStep, ValidationSamples
from seq2seq.training.distributed import DistributedConfig
from seq2seq.training.freezing import (
    check_frozen_parts,
    describe_frozen,
    num_frozen,
)
from seq2seq.training.initial_weights import (
    initial_vocabularies,
    load_initial_run,
    load_initial_weights,
    transferred_tokens,
)
from seq2seq.training.log_handlers import console_handler, file_handler, logging_to
from seq2seq.training.module import TrainingModule
from seq2seq.training.precision import resolve_precision
from seq2seq.training.resume import (
    find_resume_checkpoint,
    run_lock,
    validate_resume_data,
    validate_resume_recipe,
    validate_resume_world_size,
)
from seq2seq.training.trainer import make_trainer
from seq2seq.utils.checksums import CHECKSUM_FILE
from seq2seq.utils.console import is_quiet
from seq2seq.utils.devices import resolve_devices
from seq2seq.utils.files import atomic_file
from seq2seq.utils.progress import PreprocessingProgress
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)


def train(
    recipe: BaseRecipe | str,
    output: str | Path,
    *,
    device: str = "auto",
    distributed: DistributedConfig = DistributedConfig(),  # noqa: B008
    console: Console | None = None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Train what a recipe describes, or continue where an earlier call stopped.

    Every process of a training calls this; the main one writes and prints.

    Args:
        recipe: The recipe, or a name or file as `read_recipe` takes it.
        output: The run folder; made if it is missing.
        device: cpu, cuda, cuda:1 or auto, as in `utils.devices`; several processes
            need a GPU each, or share the CPU.
        distributed: The processes that train together.
        console: Where to print; standard output if None.
        callbacks: Callbacks beside the training's own.

    Raises:
        UserError: If device or data cannot be used, or the folder holds another
            recipe's run.
    """
    recipe = read_recipe(recipe) if isinstance(recipe, str) else recipe
    run = RunFolder(output := Path(output))
    console = console or Console(highlight=False)
    handler: logging.Handler = logging.NullHandler()
    if distributed.is_main:
        handler = console_handler(console)
    console.quiet = not distributed.is_main or is_quiet()
    devices = resolve_devices(device, distributed.devices)
    recipe, precision = resolve_precision(recipe.without_tune(), run, devices.names[0])
    validate_resume_recipe(run, recipe)
    validate_resume_world_size(run, distributed.world_size)
    with logging_to(handler):
        if run.summary.is_file():
            _log_loss_warning(run, recipe)
            log.info(f"{output} is finished. Next: seq2seq evaluate {output}")
            return
        # Before the data takes its time: packages that validation and loggers need.
        initial_run = load_initial_run(recipe)
        given = initial_vocabularies(initial_run, recipe)
        progress = PreprocessingProgress(console)
        data = open_data(recipe, given, progress)
        if distributed.is_main:
            require_loggers(recipe.train.loggers)
        with SignalHandler() as signals:
            # Data is opened before anything is written: an error leaves nothing behind.
            with progress:
                data.setup("fit")
            validate_resume_data(run, data)
            check_frozen_parts(recipe, data.vocabularies)
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"{output}: cannot be made: {error.strerror}."
                ) from error
            log_file = run.log if distributed.is_main else Path(os.devnull)
            lock = run_lock(run) if distributed.is_main else nullcontext()
            with lock, logging_to(file_handler(log_file)):
                if data.warning is not None:
                    log.warning(data.warning)
                for choice in filter(None, (devices.note, precision)):
                    log.info(choice)
                if distributed.is_main:
                    _write_run(run, recipe, data, devices.names[0])
                training = _Training(
                    recipe,
                    run,
                    data,
                    initial_run,
                    signals,
                    devices.names,
                    distributed,
                    console,
                    callbacks,
                )
                _fit_with_retries(training)


@dataclass(frozen=True)
class _Training:
    recipe: BaseRecipe
    run: RunFolder
    data: TaskData
    initial_run: TaskRun | None
    signals: SignalHandler
    device_names: Sequence[str]
    distributed: DistributedConfig
    console: Console
    callbacks: Sequence[Callback]


def _write_run(
    run: RunFolder, recipe: BaseRecipe, data: TaskData, device_name: str
) -> None:
    """Write what stays the same: recipe, tokenizers, their checksums, versions."""
    (run.path / CHECKSUM_FILE).unlink(missing_ok=True)  # Until all are written.
    with atomic_file(run.recipe) as file:
        file.write(recipe_yaml(recipe).encode())
    run.write_vocabularies(data.vocabularies)
    run.write_checksums()
    write_json(run.path / "versions.json", package_versions(device_name))


def _fit_with_retries(training: _Training) -> None:
    """Train; after a non-finite loss go back with a smaller rate, if so configured."""
    num_lr_cuts = 0
    while True:
        try:
            return _fit(training, num_lr_cuts)
        except NonFiniteError as error:
            stop = training.recipe.train.on_nan == "stop"
            if stop or error.num_lr_cuts == MAX_RETRIES:
                raise UserError(
                    f"{error} Lower train.optimizer.learning_rate, mend the sentences, "
                    "or set train.on_nan to retry."
                ) from error
            num_lr_cuts = error.num_lr_cuts + 1
            log.info(
                f"{error} Trying again with {LR_CUT**num_lr_cuts:g} times the learning "
                "rate."
            )


def _fit(training: _Training, num_lr_cuts: int) -> None:
    """Build module, callbacks and Trainer; fit; write the summary."""
    recipe, run, data = training.recipe, training.run, training.data
    options, distributed = recipe.train, training.distributed
    sampler = data.batch_sampler(
        options.accumulate_grad_batches, distributed.world_size
    )
    limits = [
        options.max_steps,
        (options.max_epochs or 0) * sampler.steps_per_epoch or None,
    ]
    total_steps = min(limit for limit in limits if limit is not None)
    torch.manual_seed(recipe.seed)
    module = TrainingModule(recipe, data.vocabularies, total_steps=total_steps)
    num_parameters = sum(parameter.numel() for parameter in module.parameters())
    if distributed.is_main:
        notes = data.describe(sampler) | {"processes": distributed.world_size}
        if transferred := transferred_tokens(training.initial_run, module.task):
            notes["initial_tokens"] = transferred
        write_json(run.data, notes)
    if frozen := describe_frozen(module.network, options.freeze):
        log.info(f"not trained: {frozen}")
    valid = with_noun(data.num_valid, module.task.example)
    log.info(
        f"{num_parameters:,} parameters; {sampler.batches_per_epoch:,} batches an "
        f"epoch; {total_steps:,} steps; {valid} to validate on"
    )
    monitor = f"valid_{options.monitor}"
    mode = "min" if options.monitor in LOWER_IS_BETTER else "max"
    best = BestCheckpoint(run.best, monitor=monitor, mode=mode)
    metrics = MetricsLogger(
        run.metrics,
        score_names=module.task.score_names,
        total_steps=total_steps,
        steps_per_epoch=sampler.steps_per_epoch,
        best=best,
        console=training.console,
    )
    callbacks: list[Callback] = [
        NonFiniteCheck(run.path, data, num_lr_cuts=num_lr_cuts),
        metrics,
        ValidationSamples(run.path / "samples.csv"),
        StopAtLastStep(total_steps),
        *training.callbacks,
    ]
    if isinstance(options, TranslationTrainOptions) and options.diagnostics:
        diagnostics = run.path / "diagnostics.csv"
        callbacks.append(DiagnosticsCallback(diagnostics, clip_norm=options.clip_norm))
    if options.patience is not None:
        callbacks.append(EarlyStopping(monitor, mode=mode, patience=options.patience))
    if options.ema_decay is not None:
        callbacks.append(weight_averaging(options.ema_decay))
    callbacks.append(best)
    callbacks.append(
        ResumeCheckpoint(
            run.last, options, total_steps=total_steps, signals=training.signals
        )
    )
    resume = find_resume_checkpoint(run, log.info)
    first_step = 0
    if resume:
        log.info(f"continuing from {resume}")
        first_step = read_training_state(resume)["global_step"]
    elif training.initial_run:
        load_initial_weights(training.initial_run, module)
    names = options.loggers if distributed.is_main else []
    loggers = make_loggers(names, run.path, first_step)
    trainer = make_trainer(
        recipe,
        run,
        total_steps=total_steps,
        callbacks=callbacks,
        loggers=loggers,
        device_names=training.device_names,
        distributed=distributed,
    )
    try:
        datamodule: Any = data
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    finally:
        close_loggers(loggers)
    if not distributed.is_main:
        return
    step, seconds = trainer.global_step, metrics.total_seconds
    reason = "no better validation" if step < total_steps else "all steps done"
    write_json(
        run.summary,
        {
            "steps": step,
            "seconds": round(seconds, 1),
            "parameters": num_parameters,
            "frozen_parameters": num_frozen(module.network),
            "best_step": best.best_step,
            f"best_{monitor}": abs(best.best_score),
            "stopped": reason,
            "warning": metrics.warning,
        },
    )
    log.info(
        f"finished after {step:,} steps and {seconds / 60:.1f} minutes "
        f"({reason}); best validation at step {best.best_step:,}"
    )
    _log_loss_warning(run, recipe)
    log.info(f"next: seq2seq evaluate {run.path}")


def _log_loss_warning(run: RunFolder, recipe: BaseRecipe) -> None:
    """Log what the summary says is wrong with the last validation loss, if anything."""
    # Runs of earlier versions have no such key.
    warning = json.loads(run.summary.read_bytes()).get("warning")
    if not warning:
        return
    rate = recipe.train.optimizer.learning_rate / 10
    clip = "" if recipe.train.clip_norm else " -o train.clip_norm=1"
    log.warning(
        f"the last validation loss is {warning}: the training diverged, overfitted or "
        "was too short. If train_loss rose, lower the learning rate and clip "
        f"gradients: seq2seq train {shlex.quote(str(run.recipe))} -o "
        f"train.optimizer.learning_rate={rate:g}{clip} --output "
        + shlex.quote(f"{run.path}-2")
    )
