"""Train a recipe on two gloo processes; a script, since every process is one.

python tests/helpers/two_ranks.py RECIPE OUTPUT [STEP]: with STEP, all die right after
it. Each process leaves its final weights in OUTPUT-RANK.pt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from seq2seq.recipe.loader import read_recipe
from seq2seq.training.distributed import detect_distributed
from seq2seq.training.train import train


class Leave(Callback):
    """Write down what a process has come to."""

    def __init__(self, place: str, last: int | None) -> None:
        self.place, self.last = place, last

    def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == self.last:
            raise SystemExit(9)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        weights = pl_module.network.state_dict()
        torch.save(weights, f"{self.place}-{trainer.global_rank}.pt")


def main(recipe: str, output: str, *step: str) -> None:
    torch.set_num_threads(1)
    # The launcher is torchrun's, if its variables are there, or else Lightning's.
    here = detect_distributed()
    ranks = here if here.world_size == 2 else detect_distributed(2)
    watcher = Leave(output, int(step[0]) if step else None)
    train(
        read_recipe(recipe),
        Path(output),
        device="cpu",
        distributed=ranks,
        callbacks=[watcher],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
