"""Diagnostics: gradient norms, gate saturation, attention entropy, exposure bias.

Nothing is changed: gradients are read before they are clipped, and the network is
measured during validation, in evaluation mode without gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.gate_recording import record_gates, recurrent_layers
from seq2seq.nn.gates import gate_names, saturation
from seq2seq.nn.loss import cross_entropy
from seq2seq.search.step import mask_special_tokens
from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.module import TrainingModule
from seq2seq.types import EOS, PAD, Batch, DecoderState, Memory

MAX_SENTENCES = 64  # Free running takes as many steps as the longest has tokens.

NORMS = (
    "gradient_norm",
    "gradient_norm_encoder",
    "gradient_norm_decoder",
    "gradient_norm_embeddings",
)
ATTENTION = ("attention_entropy", "attention_entropy_maximum")
LOSSES = ("teacher_forced_loss", "free_running_loss")


class DiagnosticsCallback(Callback):
    """Write diagnostics.csv, one row for each validation.

    Gradients are of all steps since the row before. The rest is measured on a few
    sentences of the validation set, the same ones each time.

    Args:
        path: The CSV file.
        clip_norm: The recipe's: a step with a larger gradient norm counts as clipped.

    Source: Pascanu et al. 2013, section 3.2 (gradients); Karpathy et al. 2015, section
    4.2 (gates); Bengio et al. 2015 and Ranzato et al. 2016 (free running).
    """

    def __init__(self, path: Path, *, clip_norm: float | None) -> None:
        self.path = path
        self.clip_norm = float("inf") if clip_norm is None else clip_norm
        self.sums = torch.zeros(len(NORMS) + 1)  # Of the norms, and of clipped steps.
        self.steps = 0
        self._clear()

    def _clear(self) -> None:
        self.sentences = 0
        self.positions = {"source": 0, "target": 0}
        self.measured: dict[str, float] = {}  # Sums over those positions.

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the file; drop rows of steps that will be repeated."""
        assert isinstance(pl_module, TrainingModule)
        self.table = CSVLog(self.path, column_names(pl_module.network))
        if trainer.is_global_zero:
            self.table.truncate_after(trainer.global_step)
        self.parts = parts(pl_module.network)
        self.sums = self.sums.to(pl_module.device)

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Add up norms on the device; Lightning clips after this hook."""
        norms = gradient_norms(self.parts)
        clipped = (norms[:1] > self.clip_norm).to(norms)
        self.sums = self.sums + torch.cat([norms, clipped])
        self.steps += 1

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure some sentences, with averaged weights where there are any.

        A batch holds sentences of like lengths, so each gives a few.
        """
        assert isinstance(pl_module, TrainingModule)
        assert not pl_module.network.training
        if trainer.sanity_checking:
            return
        count = -(-MAX_SENTENCES // int(trainer.num_val_batches[0]))
        count = min(count, MAX_SENTENCES - self.sentences)
        if count <= 0:
            return
        few = _first(batch, count)
        sums = measure(pl_module.network, few)
        values = torch.stack(list(sums.values())).tolist()
        for name, value in zip(sums, values, strict=True):
            self.measured[name] = self.measured.get(name, 0.0) + value
        self.sentences += len(few.source)
        self.positions["source"] += int(few.source_lengths.sum())
        self.positions["target"] += few.num_tokens

    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        """Write a row; of several processes the main one, for its own sentences."""
        if trainer.sanity_checking:
            return
        row: dict[str, float] = {"step": trainer.global_step}
        if self.steps:
            means = (self.sums / self.steps).tolist()
            row |= dict(zip((*NORMS, "clipped_share"), means, strict=True))
        for name, value in self.measured.items():
            side = "source" if name.startswith("encoder.") else "target"
            row[name] = value / self.positions[side]
        forced, free = (row[name] for name in LOSSES)
        row["exposure_gap"] = free - forced
        if trainer.is_global_zero:
            self.table.append(row)
        self.sums = torch.zeros_like(self.sums)
        self.steps = 0
        self._clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums, so that a resumed run's next row is the same."""
        return {"sums": self.sums.tolist(), "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on adding to them."""
        self.sums = torch.tensor(state_dict["sums"])
        self.steps = state_dict["steps"]


def column_names(network: EncoderDecoder) -> list[str]:
    """Name the columns of diagnostics.csv: norms, gates, attention if there is any."""
    columns = ["step", *NORMS, "clipped_share"]
    for name, layer in recurrent_layers(network).items():
        for gate in gate_names(layer):
            columns += [f"{name}.{gate}.low", f"{name}.{gate}.high"]
    if network.decoder.attention is not None:
        columns += ATTENTION
    return [*columns, *LOSSES, "exposure_gap"]


def parts(network: EncoderDecoder) -> list[list[nn.Parameter]]:
    """Split the parameters into the encoder's, the decoder's and the embeddings.

    Every parameter is in one part: the bridge and attention in the decoder's, an output
    matrix that is an embedding in the embeddings.
    """
    tables = [network.encoder.embedding, network.decoder.embedding]
    embeddings = {table.weight for table in tables}
    encoder = set(network.encoder.parameters()) - embeddings
    groups: list[list[nn.Parameter]] = [[], [], []]
    for parameter in network.parameters():
        group = 0 if parameter in encoder else 2 if parameter in embeddings else 1
        groups[group].append(parameter)
    return groups


def gradient_norms(split: Sequence[Sequence[nn.Parameter]]) -> Tensor:
    """Measure the Euclidean norm of the whole gradient and of each part, (1 + parts,).

    The norms stay on the gradients' device, so that the host need not wait.
    """
    norms = torch.stack(
        [
            nn.utils.get_total_norm([p.grad for p in part if p.grad is not None]).to(
                part[0].device
            )
            for part in split
        ]
    )
    return torch.cat([torch.linalg.vector_norm(norms)[None], norms])


def measure(network: EncoderDecoder, batch: Batch) -> dict[str, Tensor]:
    """Measure gates, attention, and the loss with and without teacher forcing.

    Args:
        network: The network, in evaluation mode.
        batch: A few sentence pairs.

    Returns:
        Sums by column, scalars: of encoder.* over real source positions, of all else
        over real target positions.
    """
    real = batch.targets != PAD
    with torch.no_grad(), record_gates(network) as recorded:
        encoded = network.encoder(batch.source, batch.source_lengths)
        state, memory = network.init_decoder(encoded)
        decoded = network.decoder(batch.inputs, state, memory)
    with torch.no_grad():
        sums: dict[str, Tensor] = {}
        for name, calls in recorded.items():
            mask = encoded.mask if name.startswith("encoder.") else real
            for gate in calls[0]:
                # Several calls where input feeding has time pass step by step.
                values = torch.cat([call[gate] for call in calls], dim=1)
                share = saturation(values, mask)
                sums[f"{name}.{gate}.low"] = share.low * mask.sum()
                sums[f"{name}.{gate}.high"] = share.high * mask.sum()
        if decoded.attention is not None:
            entropies = torch.special.entr(decoded.attention).sum(dim=2)
            lengths = encoded.mask.sum(dim=1, keepdim=True)
            maxima = lengths.to(entropies).log().expand_as(entropies)
            totals = (entropies[real].sum(), maxima[real].sum())
            sums |= dict(zip(ATTENTION, totals, strict=True))
        logits = network.decoder.logits(decoded.features[real])
        forced = cross_entropy(logits, batch.targets[real]).nll
        free = free_running_nll(network, batch, state, memory)
        return sums | dict(zip(LOSSES, (forced, free), strict=True))


def free_running_nll(
    network: EncoderDecoder, batch: Batch, state: DecoderState, memory: Memory
) -> Tensor:
    """Sum the loss of the true targets where the decoder reads its own predictions.

    Its input at each step is the most probable token of the step before, not the true
    one. EOS is left out, since it is never an input.

    Args:
        network: The network, in evaluation mode.
        batch: The sentence pairs.
        state: The decoder's state before the first token.
        memory: The encoder's output, as `init_decoder` returns it.

    Returns:
        Nats over real target positions, a scalar.

    Source: Bengio et al. 2015, section 2; Ranzato et al. 2016, section 1, who name the
    difference to teacher forcing exposure bias.
    """
    last = batch.inputs[:, 0]
    nll = torch.zeros((), device=last.device)
    for target in batch.targets.unbind(dim=1):
        output = network.step(last, state, memory)
        log_probs, state = output.log_probs, output.state
        true = log_probs.gather(1, target[:, None])[:, 0]
        nll = nll - true[target != PAD].sum()
        choices = mask_special_tokens(log_probs)
        choices[:, EOS] = float("-inf")
        last = choices.argmax(dim=1)
    return nll


def _first(batch: Batch, count: int) -> Batch:
    """Keep the first so many sentences of a batch."""
    targets = batch.targets[:count]
    return Batch(
        source=batch.source[:count],
        source_lengths=batch.source_lengths[:count],
        inputs=batch.inputs[:count],
        targets=targets,
        indices=batch.indices[:count],
        num_tokens=int((targets != PAD).sum()),
    )
