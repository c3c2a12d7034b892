"""Train on two gloo processes, of which the second has an infinite loss at step 3.

python tests/two_sick_ranks.py RECIPE OUTPUT: as long as the learning rate is above 0.4.
Its gradient stays finite, so that the first process cannot know.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from two_ranks import main

from seq2seq.models.lightning_module import TranslationModule

healthy = TranslationModule.training_step


def step(self: TranslationModule, batch: Any, batch_idx: int) -> dict[str, Any]:
    found = healthy(self, batch, batch_idx)
    rate = self.trainer.optimizers[0].param_groups[0]["lr"]
    if self.global_step == 2 and self.trainer.global_rank == 1 and rate > 0.4:
        found["nats"] = found["nats"] * torch.inf
    return found


if __name__ == "__main__":
    TranslationModule.training_step = step  # type: ignore[method-assign]
    main(*sys.argv[1:])
