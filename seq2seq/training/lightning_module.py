"""How the translator is trained: the LightningModule around models/encoder_decoder.py.

Knows batches, losses and optimizers; not text, files or where batches come from.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import Recipe
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.training.minimum_risk import SentenceMetric, expected_risk
from seq2seq.training.oom import OOMSplitter
from seq2seq.training.optim import build_optimizer, lr_multiplier
from seq2seq.types import PAD, Batch, Hypothesis


class TranslationModule(LightningModule):
    """Train an encoder-decoder on batches of sentence pairs.

    Args:
        recipe: What to build and how to train it.
        source_vocab_size: Size of the source vocabulary.
        target_vocab_size: Size of the target vocabulary.
        total_steps: Optimizer steps of the whole training.
        sentence_metric: How good a translation is; needed where train.minimum_risk is.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        source_vocab_size: int,
        target_vocab_size: int,
        total_steps: int,
        sentence_metric: SentenceMetric | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.total_steps = total_steps
        self.sentence_metric = sentence_metric
        self.reductions = 0  # Of the learning rate; training.py counts them.
        self.rate_cut = 1.0  # Less than 1 after a retry: nan_detector.py.
        self.gradient_norm = torch.zeros(())  # Of the last step, before clipping.
        self.halver = OOMSplitter(self._loss, self._context)
        self.network = EncoderDecoder(
            recipe.model,
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
        )

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set what depends on the step alone, so that a resumed run repeats it.

        A batch draws by its number among all processes' batches, so it makes no
        difference which of them trains on it.
        """
        number = batch_idx * self.trainer.world_size + self.global_rank
        mixed = (self.recipe.seed * 1_000_003 + number) * 1009
        # torch.manual_seed does the same for all devices, 200 times as slowly.
        torch.default_generator.manual_seed(mixed % 2**63)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(mixed % 2**63)
        train = self.recipe.train
        factor = lr_multiplier(
            train.schedule,
            self.global_step,
            total_steps=self.total_steps,
            reductions=self.reductions,
        )
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = train.optimizer.learning_rate * factor * self.rate_cut

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the loss to minimise, and the plain nats and tokens for reports.

        Lightning divides by the accumulated batches and DDP by the ranks; the loss is
        multiplied by both, since batch.tokens already counts the tokens of all.
        """
        loss = self.halver.forward(batch)
        shares = self.trainer.accumulate_grad_batches * self.trainer.world_size
        total = loss.loss * (shares / batch.num_tokens)
        return {"loss": total, "nats": loss.nll, "tokens": _real_tokens(batch)}

    def backward(self, loss: Tensor) -> None:
        """Find the gradients, in halves where memory is full; ranks cannot do that."""
        if self.trainer.world_size > 1:
            loss.backward()
            return
        parameters = [each for each in self.parameters() if each.requires_grad]
        share = 1 / self.halver.batch.num_tokens  # Over accumulated batches: they sum.
        self.halver.backward(loss, parameters, share=share)

    def _context(self) -> AbstractContextManager[None]:
        return self.trainer.precision_plugin.train_step_context()

    def _loss(self, batch: Batch) -> LossOutput:
        train = self.recipe.train
        loss = self.network(
            batch, smoothing=train.label_smoothing, truncate=train.truncated_bptt_steps
        )
        if train.minimum_risk is None or self.sentence_metric is None:
            return loss
        risk = expected_risk(
            self.network,
            batch,
            train.minimum_risk,
            self.sentence_metric,
            seed=torch.initial_seed(),  # Set at every step.
            longest=self.recipe.search.max_length_ratio,
        )
        return loss._replace(loss=loss.loss + train.minimum_risk.weight * risk)

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return nats and tokens, and free-running greedy translations."""
        loss = self.network(batch)
        return {
            "nats": loss.nll,
            "tokens": _real_tokens(batch),
            "hypotheses": self.translate(batch),
        }

    def translate(self, batch: Batch) -> list[Hypothesis]:
        """Translate greedily, as validation does."""
        encoded = self.network.encoder(batch.source, batch.source_lengths)
        state, memory = self.network.start(encoded)
        search = self.recipe.search
        demands = DecodingConstraints.from_length_ratio(
            batch.source_lengths.to(self.device), search
        )
        return greedy_search(self.network.step, state, memory, demands, search)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Shorten gradients that explode, and report how long they were.

        Source: Pascanu et al. 2013, section 3.2.
        """
        limit = self.recipe.train.clip_norm
        # Kept here and not logged: Lightning's log takes 6 ms at every step.
        self.gradient_norm = nn.utils.clip_grad_norm_(
            self.parameters(), float("inf") if limit is None else limit
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the recipe's optimizer over all parameters."""
        return build_optimizer(self.recipe.train.optimizer, self.parameters())


def _real_tokens(batch: Batch) -> Tensor:
    return (batch.targets != PAD).sum()
