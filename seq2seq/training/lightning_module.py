"""The LightningModule around the encoder-decoder: loss, optimizer, validation, metrics.

It works in any Lightning Trainer, with the batches of `data.datamodule`:

    data = TranslationDataModule(recipe)
    model = TranslationModule(recipe, data.tokenizers)
    Trainer(max_steps=600, callbacks=[ModelCheckpoint(monitor="valid_bleu", mode="max")]
    ).fit(model, data)

Logged every `log_every_n_steps` optimizer steps: train_loss (nats a token),
learning_rate, gradient_norm, tokens_per_second. Logged by each validation: valid_loss,
valid_perplexity, valid_bleu, and the bounds of its 95% interval.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, distributed, nn

from seq2seq.data.collate import collate
from seq2seq.data.datamodule import ValidationDataLoader
from seq2seq.data.preprocessing import Tokenizers
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError, require_list
from seq2seq.metrics.sacrebleu_scores import bleu_ci
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import Recipe
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.training.minimum_risk import expected_risk, make_sentence_metric
from seq2seq.training.oom import OOMSplitter
from seq2seq.training.optim import LearningRateSchedule, build_optimizer
from seq2seq.types import EOS, PAD, Batch, Hypothesis

log = logging.getLogger(__name__)

TRANSLATE_BATCH_SIZE = 64


class ValidationResult(NamedTuple):
    """The last validation.

    Attributes:
        step: Optimizer steps taken before it.
        indices: Which pairs of the validation set were translated, in order.
        hypotheses: Their greedy translations.
        references: Their reference translations.
    """

    step: int
    indices: list[int]
    hypotheses: list[str]
    references: list[str]


class TranslationModule(LightningModule):
    """Train an encoder-decoder on batches of sentence pairs.

    `load_from_checkpoint(path)` needs no other argument: a checkpoint holds recipe and
    tokenizers, as plain values and tensors.

    Args:
        recipe: The network and how it is trained; a mapping as a checkpoint holds it.
        tokenizers: Both sides' tokenizers; a mapping of their bytes likewise.
        total_steps: Optimizer steps of the whole training, for the learning-rate
            schedule; what the Trainer estimates if None.

    Attributes:
        gradient_norm: Of the last step before clipping, a scalar tensor.
        validation: The last validation; None before the first.
        schedule: The learning-rate schedule, once `configure_optimizers` was called.
    """

    def __init__(
        self,
        recipe: Recipe | Mapping[str, Any],
        tokenizers: Tokenizers | Mapping[str, Tensor],
        *,
        total_steps: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(recipe, Recipe):
            recipe = Recipe.model_validate(recipe)
        if not isinstance(tokenizers, Tokenizers):
            tokenizers = _from_tensors(tokenizers)
        self.recipe = recipe
        self.tokenizers = tokenizers
        self.total_steps = total_steps
        self.save_hyperparameters(
            {
                "recipe": recipe.model_dump(mode="json"),
                "tokenizers": _to_tensors(tokenizers),
            },
            logger=False,
        )
        self.sentence_metric = make_sentence_metric(recipe, tokenizers.target)
        self.schedule: LearningRateSchedule | None = None
        self.gradient_norm = torch.zeros(())
        self.validation: ValidationResult | None = None
        self.oom_splitter = OOMSplitter(self._loss, self._precision_context, self._warn)
        self.network = EncoderDecoder(
            recipe.model,
            source_vocab_size=len(tokenizers.source),
            target_vocab_size=len(tokenizers.target),
        )
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
        """Give the recipe to experiment loggers."""
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
        num_tokens = _count_tokens(batch)
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
        options = self.recipe.train
        output = self.network(
            batch,
            smoothing=options.label_smoothing,
            truncate=options.truncated_bptt_steps,
        )
        if options.minimum_risk is None or self.sentence_metric is None:
            return output
        risk = expected_risk(
            self.network,
            batch,
            options.minimum_risk,
            self.sentence_metric,
            seed=torch.initial_seed(),  # Set for every batch.
            max_length_ratio=self.recipe.search.max_length_ratio,
        )
        return output._replace(loss=output.loss + options.minimum_risk.weight * risk)

    # Validation: cross-entropy by teacher forcing, BLEU of greedy translations.

    def on_validation_epoch_start(self) -> None:
        """Begin with no translations."""
        self._clear_validation()

    def _clear_validation(self) -> None:
        # By a batch's first index: with few batches, two processes may have the same.
        self._sums: dict[int, tuple[float, int]] = {}
        self._outputs: dict[int, tuple[Sequence[int], list[int]]] = {}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect nats, tokens and greedy translations of a batch."""
        output = self.network(batch)
        hypotheses = self.greedy_search(batch)
        indices: list[int] = batch.indices.tolist()
        self._sums[indices[0]] = float(output.nll), int(_count_tokens(batch))
        targets = batch.targets.tolist()
        for index, hypothesis, target in zip(indices, hypotheses, targets, strict=True):
            tokens = [token for token in target if token not in (PAD, EOS)]
            self._outputs[index] = hypothesis.tokens, tokens

    def on_validation_epoch_end(self) -> None:
        """Score all translations and log; every process comes to the same numbers."""
        if self.trainer.world_size > 1:
            shares: list[Any] = [None] * distributed.get_world_size()
            distributed.all_gather_object(shares, (self._sums, self._outputs))
            for sums, outputs in shares:
                self._sums.update(sums)
                self._outputs.update(outputs)
        sums = [self._sums[index] for index in sorted(self._sums)]
        loss = sum(nll for nll, _ in sums) / sum(num_tokens for _, num_tokens in sums)
        indices = sorted(self._outputs)
        decode = self.tokenizers.target.decode
        hypotheses = decode([self._outputs[index][0] for index in indices])
        # Text of the corpus, since decoded tokens may hold unknown ones.
        loader = self.trainer.val_dataloaders
        if isinstance(loader, ValidationDataLoader):
            references = [loader.pairs[index].target for index in indices]
        else:
            references = decode([self._outputs[index][1] for index in indices])
        bleu, (low, high) = bleu_ci(
            hypotheses, references, language=self.recipe.data.target
        )
        self.validation = ValidationResult(
            self.global_step, indices, hypotheses, references
        )
        self._clear_validation()
        if self.trainer.sanity_checking:
            return
        if self.schedule is not None and self.trainer.state.fn == TrainerFn.FITTING:
            self.schedule.validated(
                bleu if self.recipe.train.monitor == "bleu" else -loss
            )
        self.log_dict(
            {
                "step": float(self.global_step),
                "valid_loss": loss,
                "valid_perplexity": perplexity(loss),
                "valid_bleu": bleu,
                "valid_bleu_low": low,
                "valid_bleu_high": high,
            },
        )

    def on_validation_end(self) -> None:
        """Leave the time of a validation out of tokens_per_second."""
        self._reset_window()

    def greedy_search(self, batch: Batch) -> list[Hypothesis]:
        """Translate a batch greedily, as validation does."""
        encoded = self.network.encoder(batch.source, batch.source_lengths)
        state, memory = self.network.init_decoder(encoded)
        search = self.recipe.search
        constraints = DecodingConstraints.from_length_ratio(
            batch.source_lengths.to(self.device), search
        )
        return greedy_search(self.network.step, state, memory, constraints, search)

    @torch.inference_mode()
    def translate(self, lines: Sequence[str]) -> list[str]:
        """Translate lines greedily; blank ones stay blank.

        For beam search, long lines, files and speed use `seq2seq.translate`.

        Raises:
            UserError: If lines are a single text.
        """
        require_list(lines, "lines")
        training = self.training
        self.eval()
        encoded = self.tokenizers.source.encode(lines)
        order = sorted(
            (index for index, tokens in enumerate(encoded) if tokens),
            key=lambda index: len(encoded[index]),
        )
        translations = [""] * len(encoded)
        for first in range(0, len(order), TRANSLATE_BATCH_SIZE):
            indices = order[first : first + TRANSLATE_BATCH_SIZE]
            batch = collate([encoded[index] for index in indices], [()] * len(indices))
            hypotheses = self.greedy_search(batch.to(self.device))
            texts = self.tokenizers.target.decode([h.tokens for h in hypotheses])
            for index, text in zip(indices, texts, strict=True):
                translations[index] = text
        self.train(training)
        return translations


def log_interval(trainer: Trainer) -> int:
    """Return the Trainer's log_every_n_steps, which its type leaves out."""
    interval: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return interval


def perplexity(loss: float) -> float:
    """Return e to the power of a loss in nats, short of overflow."""
    return math.exp(min(loss, 100.0))


def _count_tokens(batch: Batch) -> Tensor:
    return (batch.targets != PAD).sum()


def _to_tensors(tokenizers: Tokenizers) -> dict[str, Tensor]:
    """Return the serialised tokenizers as bytes that any checkpoint can hold."""
    source, target = (
        torch.frombuffer(bytearray(tokenizer.model), dtype=torch.uint8)
        for tokenizer in (tokenizers.source, tokenizers.target)
    )
    return {
        "source": source,
        "target": source if torch.equal(source, target) else target,
    }


def _from_tensors(tensors: Mapping[str, Tensor]) -> Tokenizers:
    source, target = (
        Tokenizer(bytes(tensors[side].cpu().numpy())) for side in ("source", "target")
    )
    return Tokenizers(source, target)
