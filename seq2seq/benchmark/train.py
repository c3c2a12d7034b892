"""Training speed on this machine: some optimizer steps of the real training loop.

The keys of the result are those of the kit that measures other toolkits.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console

from seq2seq.benchmark.machine import ResourceMeter, process_uptime, round_significant
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.runs.run_folder import package_versions
from seq2seq.training.distributed import DistributedConfig
from seq2seq.training.train import train
from seq2seq.types import Batch
from seq2seq.utils.devices import resolve_devices

WARM_UP_STEPS = 5


class StepTimer(Callback):
    """Records the end time and batch size of every optimizer step; skips validation.

    A GPU may be behind, since the host waits for it only where measuring begins and
    ends: in training it does not wait at every step either.

    Args:
        steps: Optimizer steps of the training.
    """

    def __init__(self, steps: int) -> None:
        self.waits = (WARM_UP_STEPS, steps)
        self.end_times: list[float] = []
        self.counts: list[tuple[int, int, int]] = []
        """Sentences, source tokens and target tokens of each step."""
        self._batches: list[tuple[int, int, torch.Tensor]] = []  # Of this step.
        self._steps: list[list[tuple[int, int, torch.Tensor]]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Skip the validation after the last step."""
        trainer.limit_val_batches = 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Note the time and, still on the device, the number of target tokens."""
        num_source = int(batch.source_lengths.sum())
        self._batches.append((len(batch.indices), num_source, outputs["num_tokens"]))
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if trainer.global_step in self.waits and batch.targets.device.type == "cuda":
            torch.cuda.synchronize(batch.targets.device)
        self.end_times.append(time.perf_counter())
        self._steps.append(self._batches)
        self._batches = []

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add up the counts."""
        for batches in self._steps:
            sentences, source, target = zip(*batches, strict=True)
            self.counts.append((sum(sentences), sum(source), int(sum(target))))


def bench_training(
    recipe: BaseRecipe, *, steps: int, ranks: DistributedConfig, device: str = "auto"
) -> dict[str, Any]:
    """Train some steps in a temporary folder and measure the speed.

    Args:
        recipe: The recipe; validation and checkpoints are skipped.
        steps: Optimizer steps; the first WARM_UP_STEPS are not measured.
        ranks: The processes of distributed training; each measures its own share.
        device: cpu, cuda, cuda:1 or auto.

    Returns:
        Plain values for one line of JSON.

    Raises:
        UserError: If there are too few steps, or no such device.
    """
    if steps <= WARM_UP_STEPS:
        raise UserError(
            f"--steps is {steps}, but the first {WARM_UP_STEPS} only warm up; ask for "
            f"more, 30 or so."
        )
    changes = {"max_steps": steps, "max_epochs": None}
    changes |= {"validate_every": steps + 1, "checkpoint_every": steps + 1}
    if "diagnostics" in type(recipe.train).model_fields:
        changes["diagnostics"] = False
    shortened = recipe.model_copy(
        update={"train": recipe.train.model_copy(update=changes)}
    )
    timer = StepTimer(steps)
    meter = ResourceMeter()
    with tempfile.TemporaryDirectory() as folder:
        console = Console(stderr=True, highlight=False)
        run = Path(folder) / "run"
        train(
            shortened,
            run,
            device=device,
            distributed=ranks,
            console=console,
            callbacks=[timer],
        )
        # Written by the main process, the only one that reports.
        data = json.loads((run / "data.json").read_bytes()) if ranks.is_main else {}
        summary = (
            json.loads((run / "summary.json").read_bytes()) if ranks.is_main else {}
        )
    cost = meter.cost()
    end_times, counts = timer.end_times, timer.counts
    seconds = end_times[-1] - end_times[WARM_UP_STEPS - 1]
    sentences, source, target = map(sum, zip(*counts[WARM_UP_STEPS:], strict=True))
    rates = [
        (counts[step][1] + counts[step][2]) / (end_times[step] - end_times[step - 1])
        for step in range(WARM_UP_STEPS, steps)
    ]
    name = resolve_devices(device, ranks.devices).names[0]  # The main process's.
    line = {
        "program": f"seq2seq {package_versions()['seq2seq']}",
        "task": "train",
        "steps": steps,
        "warm_up_steps": WARM_UP_STEPS,
        "sentences_per_second": sentences / seconds,
        "pieces_per_second": (source + target) / seconds,
        "pieces_per_second_median_step": statistics.median(rates),
        "source_pieces_per_second": source / seconds,
        "target_pieces_per_second": target / seconds,
        "pieces_per_sentence": (source + target) / sentences,
        "seconds_to_first_update": process_uptime()
        - (time.perf_counter() - end_times[0]),
        "padding_efficiency": data.get("padding_efficiency"),
        "parameters": summary.get("parameters"),
        "processes": ranks.world_size,
        "threads": torch.get_num_threads(),
        "device": name,
        **cost,
        "versions": package_versions(name),
    }
    if name != "cpu":
        line["peak_gpu_mib"] = torch.cuda.max_memory_allocated(name) // 2**20
    return round_significant(line)
