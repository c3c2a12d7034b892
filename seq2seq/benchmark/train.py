"""How fast training is on this machine: the real stack, some steps, one line of JSON.

Knows clocks, counts and training's entrance; not what is trained. The line's names are
those that other programs' measuring scripts use, so that lines can be compared.
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
from seq2seq.recipe import Recipe
from seq2seq.runs.run_folder import package_versions
from seq2seq.training.distributed import ProcessGroup
from seq2seq.training.train import train
from seq2seq.types import Batch

WARM_UP_STEPS = 5


class StepTimer(Callback):
    """Note when every step ended and what it trained on; nothing is validated."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.counts: list[tuple[int, int, int]] = []  # Sentences, source and target.
        self._reset()

    def _reset(self) -> None:
        self.step = torch.zeros(3, dtype=torch.long)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out the validation that would follow the last step."""
        trainer.limit_val_batches = 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count on the CPU; a GPU is waited for, or its steps would end too soon."""
        # inputs hold BOS and no EOS, but as many pieces as the targets.
        self.step += torch.tensor(
            [
                len(batch.indices),
                int(batch.source_lengths.sum()),
                int(outputs["tokens"]),
            ]
        )
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            sentences, source, target = self.step.tolist()
            self.ends.append(time.perf_counter())
            self.counts.append((sentences, source, target))
            self._reset()


def bench_training(
    recipe: Recipe, *, steps: int, ranks: ProcessGroup
) -> dict[str, Any]:
    """Train some steps in a folder that is thrown away, and say how fast it went.

    Args:
        recipe: What to train; validation and checkpoints are left out.
        steps: Optimizer steps; the first WARM_UP_STEPS are not counted.
        ranks: Which processes train; each tells of its own share.

    Returns:
        Plain values for one line of JSON.

    Raises:
        InputError: If there are too few steps.
    """
    if steps <= WARM_UP_STEPS:
        raise UserError(
            f"--steps is {steps}, but the first {WARM_UP_STEPS} only warm up; ask for "
            f"more, 30 or so."
        )
    changes = {"max_steps": steps, "max_epochs": None, "diagnostics": False}
    changes |= {"validate_every": steps + 1, "checkpoint_every": steps + 1}
    measured = recipe.model_copy(
        update={"train": recipe.train.model_copy(update=changes)}
    )
    watch = StepTimer()
    meter = ResourceMeter()
    with tempfile.TemporaryDirectory() as folder:
        console = Console(stderr=True, highlight=False)
        run = Path(folder) / "run"
        train(measured, run, ranks=ranks, console=console, watchers=[watch])
        # Written by the first process, the only one that reports.
        data = json.loads((run / "data.json").read_text()) if ranks.is_main else {}
        summary = (
            json.loads((run / "summary.json").read_text()) if ranks.is_main else {}
        )
    cost = meter.cost()
    seconds = watch.ends[-1] - watch.ends[WARM_UP_STEPS - 1]
    sentences, source, target = map(
        sum, zip(*watch.counts[WARM_UP_STEPS:], strict=True)
    )
    rates = [
        (watch.counts[step][1] + watch.counts[step][2])
        / (watch.ends[step] - watch.ends[step - 1])
        for step in range(WARM_UP_STEPS, steps)
    ]
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
        - (time.perf_counter() - watch.ends[0]),
        "padding_efficiency": data.get("padding_efficiency"),
        "parameters": summary.get("parameters"),
        "processes": ranks.world_size,
        "threads": torch.get_num_threads(),
        **cost,
        "versions": package_versions(),
    }
    if torch.cuda.is_available():
        line["device"] = torch.cuda.get_device_name()
        line["peak_gpu_mib"] = torch.cuda.max_memory_allocated() // 2**20
    return round_significant(line)
