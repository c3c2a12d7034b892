"""The LightningModule of all tasks: loss, optimizer, validation, metrics.

It works in any Lightning Trainer, with the batches of the task's data module.

Logged every `log_every_n_steps` optimizer steps: train_loss (nats a token),
learning_rate, gradient_norm, tokens_per_second. Logged by each validation: valid_loss,
valid_perplexity, and the task's scores, such as valid_bleu, with the bounds of their
95% intervals, valid_bleu_low and valid_bleu_high.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, distributed, nn

from seq2seq.data.datamodule import ValidationDataLoader
from seq2seq.errors import UserError
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import BaseRecipe, recipe_class
from seq2seq.recipe.train import LOWER_IS_BETTER
from seq2seq.tasks import open_task
from seq2seq.tasks.task import Score, Task, Vocabularies
from seq2seq.tasks.translation import Translation
from seq2seq.training.freezing import freeze
from seq2seq.training.oom import OOMSplitter
from seq2seq.training.optim import LearningRateSchedule, build_optimizer
from seq2seq.training.precision import limit_primitive_caches
from seq2seq.types import Batch, RNNState

log = logging.getLogger(__name__)

CARRIED = "carried_state"
"""The entry of a checkpoint with the state that each process carries on."""


class ValidationResult(NamedTuple):
    """The last validation.

    Attributes:
        step: Optimizer steps taken before it.
        indices: Which examples of the validation set were answered, in order.
        hypotheses: The network's answers, such as greedy translations.
        references: The true answers.
        scores: The task's scores, by name.
    """

    step: int
    indices: list[int]
    hypotheses: list[str]
    references: list[str]
    scores: dict[str, Score]


class TrainingModule(LightningModule):
    """Train a task's network.

    `load_from_checkpoint(path)` needs no other argument: a checkpoint holds recipe and
    vocabularies, as plain values and tensors.

    Args:
        recipe: The network and how it is trained; a mapping as a checkpoint holds it.
        vocabularies: What the network's ids mean; as tensors of bytes likewise.
        total_steps: Optimizer steps of the whole training, for the learning-rate
            schedule; what the Trainer estimates if None.

    Attributes:
        task: The recipe's task.
        gradient_norm: Of the last step before clipping, a scalar tensor.
        validation: The last validation; None before the first.
        schedule: The learning-rate schedule, once `configure_optimizers` was called.
        carried: The state that the next batch goes on from; None for most tasks.
    """

    def __init__(
        self,
        recipe: BaseRecipe | Mapping[str, Any],
        vocabularies: Vocabularies | Mapping[str, Tensor],
        *,
        total_steps: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(recipe, BaseRecipe):
            recipe = recipe_class(recipe.get("task")).model_validate(recipe)
        files = {name: _to_bytes(content) for name, content in vocabularies.items()}
        self.recipe = recipe
        self.task: Task = open_task(recipe, files)
        self.total_steps = total_steps
        self.save_hyperparameters(
            {
                "recipe": recipe.model_dump(mode="json"),
                "vocabularies": _to_tensors(files),
            },
            logger=False,
        )
        self.schedule: LearningRateSchedule | None = None
        self.gradient_norm = torch.zeros(())
        self.validation: ValidationResult | None = None
        self.carried: RNNState | None = None
        self._next_state: RNNState | None = None
        self.oom_splitter = OOMSplitter(self._loss, self._precision_context, self._warn)
        self.network: Any = self.task.network()
        freeze(self.network, recipe.train.freeze)
        self._reset_window()
        self._clear_validation()

    def configure_optimizers(self) -> Any:
        """Build the recipe's optimizer over all parameters, and its schedule."""
        options = self.recipe.train
        optimizer = build_optimizer(options.optimizer, self.parameters())
        total_steps = self.total_steps or self.trainer.estimated_stepping_batches
        self.schedule = LearningRateSchedule(
            optimizer, options.schedule, total_steps=total_steps
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.schedule, "interval": "step"},
        }

    # Training: on_train_batch_start, training_step, backward, clipping, in this order.

    def on_fit_start(self) -> None:
        """Limit the memory of compiled products; give the recipe to loggers."""
        limit_primitive_caches()
        for logger in self.loggers:
            logger.log_hyperparams(self.recipe.model_dump(mode="json"))

    def on_train_start(self) -> None:
        """Begin a window of training metrics."""
        self._reset_window()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout by the batch's number, so that a resumed run repeats it.

        The number counts the batches of all processes, so it makes no difference which
        of them trains on a batch.
        """
        accumulated = self.trainer.accumulate_grad_batches
        local_index = self.global_step * accumulated + batch_idx % accumulated
        index = local_index * self.trainer.world_size + self.global_rank
        seed = (self.recipe.seed * 1_000_003 + index) * 1009 % 2**63
        # torch.manual_seed does the same for all devices, 200 times as slowly.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the loss to minimise, and the plain nats and tokens for reports.

        Lightning divides by the accumulated batches and DDP by the processes; the loss
        is multiplied by both, since batch.num_tokens counts the tokens of them all.
        """
        output = self.oom_splitter.forward(batch)
        self.carried = self._next_state
        num_tokens = batch.count_targets()
        self._window.append((output.nll.detach(), num_tokens))
        shares = self.trainer.accumulate_grad_batches * self.trainer.world_size
        loss = output.loss * (shares / batch.num_tokens)
        return {"loss": loss, "nll": output.nll, "num_tokens": num_tokens}

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, in halves where memory is full; DDP cannot do that."""
        if self.trainer.world_size > 1:
            loss.backward()
            return
        parameters = [p for p in self.parameters() if p.requires_grad]
        share = 1 / self.oom_splitter.batch.num_tokens  # Accumulated batches add up.
        self.oom_splitter.backward(loss, parameters, share=share)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients by their norm (Pascanu et al. 2013, section 3.2).

        Raises:
            UserError: If the Trainer has a gradient_clip_val: the recipe's applies.
        """
        if gradient_clip_val is not None:
            raise UserError(
                f"the Trainer's gradient_clip_val is {gradient_clip_val}, but "
                "gradients are clipped by train.clip_norm of the recipe; set that."
            )
        limit = self.recipe.train.clip_norm
        self.gradient_norm = nn.utils.clip_grad_norm_(
            self.parameters(), float("inf") if limit is None else limit
        )
        # Not at every step: self.log would take as long as a small model's step.
        every = log_interval(self.trainer)
        if every and (self.global_step + 1) % every == 0:
            self._log_window()

    def _log_window(self) -> None:
        """Log the mean loss since the last report, of all processes."""
        reduce = self.trainer.strategy.reduce
        nll = sum(nll for nll, _ in self._window)
        num_tokens = int(reduce(sum(n for _, n in self._window), reduce_op="sum"))
        seconds = time.monotonic() - self._window_start
        self.log_dict(
            {
                "step": float(self.global_step + 1),
                "train_loss": float(reduce(nll, reduce_op="sum")) / num_tokens,
                "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"],
                "gradient_norm": float(self.gradient_norm),
                "tokens_per_second": num_tokens / seconds,
            }
        )
        self._reset_window()

    def _reset_window(self) -> None:
        self._window: list[tuple[Any, Any]] = []  # nll and tokens, on the device
        self._window_start = time.monotonic()

    def _precision_context(self) -> AbstractContextManager[None]:
        return self.trainer.precision_plugin.train_step_context()

    def _warn(self, message: str) -> None:
        log.warning("step %d: %s", self.global_step + 1, message)

    def _loss(self, batch: Batch) -> LossOutput:
        output, self._next_state = self.task.loss(self.network, batch, self.carried)
        return output

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the carried state of every process; all of them save together."""
        if self.carried is None:
            return
        states: list[Any] = [[part.cpu() for part in self.carried]]
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            distributed.all_gather_object(gathered, states[0])
            states = gathered
        checkpoint[CARRIED] = states

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from this process's carried state."""
        states = checkpoint.get(CARRIED)
        rank = self.global_rank if self._trainer is not None else 0
        if states:
            self.carried = tuple(part.to(self.device) for part in states[rank])

    # Validation: mean loss with given targets, scores of answers without them.

    def on_validation_epoch_start(self) -> None:
        """Begin with no answers."""
        self._clear_validation()

    def _clear_validation(self) -> None:
        # By a batch's first index: with few batches, two processes may have the same.
        self._sums: dict[int, tuple[float, int]] = {}
        self._outputs: dict[int, tuple[str, str]] = {}
        self._valid_state: RNNState | None = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect nats, tokens, answers and references of a batch."""
        output, self._valid_state = self.task.loss(
            self.network, batch, self._valid_state
        )
        indices: list[int] = batch.indices.tolist()
        self._sums[indices[0]] = float(output.nll), int(batch.count_targets())
        answers = self.task.predict(self.network, batch)
        references = self.task.references(batch)
        pairs = zip(answers, references, strict=True)
        self._outputs.update(zip(indices, pairs, strict=True))

    def on_validation_epoch_end(self) -> None:
        """Score all answers and log; every process comes to the same numbers."""
        if self.trainer.world_size > 1:
            shares: list[Any] = [None] * distributed.get_world_size()
            distributed.all_gather_object(shares, (self._sums, self._outputs))
            for sums, outputs in shares:
                self._sums.update(sums)
                self._outputs.update(outputs)
        sums = [self._sums[index] for index in sorted(self._sums)]
        loss = sum(nll for nll, _ in sums) / sum(num_tokens for _, num_tokens in sums)
        indices = sorted(self._outputs)
        hypotheses = [self._outputs[index][0] for index in indices]
        references = [self._outputs[index][1] for index in indices]
        loader = self.trainer.val_dataloaders
        if isinstance(loader, ValidationDataLoader) and loader.references is not None:
            references = [loader.references[index] for index in indices]
        languages = getattr(loader, "languages", ())
        if isinstance(self.task, Translation) and len(set(languages)) > 1:
            pairs = [languages[index] for index in indices]
            scores = self.task.scores_by_pair(hypotheses, references, pairs)
        else:
            scores = self.task.scores(hypotheses, references)
        self.validation = ValidationResult(
            self.global_step, indices, hypotheses, references, scores
        )
        self._clear_validation()
        if self.trainer.sanity_checking:
            return
        metrics = {"valid_loss": loss, "valid_perplexity": perplexity(loss)}
        for name, score in scores.items():
            metrics[f"valid_{name}"] = score.value
            if score.low is not None and score.high is not None:
                metrics |= {
                    f"valid_{name}_low": score.low,
                    f"valid_{name}_high": score.high,
                }
        if self.schedule is not None and self.trainer.state.fn == TrainerFn.FITTING:
            monitor = self.recipe.train.monitor
            sign = -1 if monitor in LOWER_IS_BETTER else 1
            self.schedule.validated(sign * metrics[f"valid_{monitor}"])
        self.log_dict({"step": float(self.global_step), **metrics})

    def on_validation_end(self) -> None:
        """Leave the time of a validation out of tokens_per_second."""
        self._reset_window()


def log_interval(trainer: Trainer) -> int:
    """Return the Trainer's log_every_n_steps, which its type leaves out."""
    interval: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return interval


def perplexity(loss: float) -> float:
    """Return e to the power of a loss in nats, short of overflow."""
    return math.exp(min(loss, 100.0))


def _to_bytes(content: bytes | Tensor) -> bytes:
    return content if isinstance(content, bytes) else bytes(content.cpu().numpy())


def _to_tensors(files: Mapping[str, bytes]) -> dict[str, Tensor]:
    """Return files as bytes that any checkpoint can hold; equal ones share a tensor."""
    tensors: dict[bytes, Tensor] = {}
    for content in files.values():
        if content not in tensors:
            buffer = bytearray(content)
            tensors[content] = torch.frombuffer(buffer, dtype=torch.uint8)
    return {name: tensors[content] for name, content in files.items()}
