"""Train on two gloo processes, of which the second has an infinite loss at step 3.

python tests/helpers/two_ranks_non_finite.py RECIPE OUTPUT: as long as the learning rate
is above 0.4. Its gradient stays finite, so that the first process cannot know. Each
process leaves the rows of its batch of that step in OUTPUT-RANK.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from seq2seq.training.module import TrainingModule
from tests.helpers.two_ranks import main

healthy = TrainingModule.training_step


def step(self: TrainingModule, batch: Any, batch_idx: int) -> dict[str, Any]:
    found = healthy(self, batch, batch_idx)
    rate = self.trainer.optimizers[0].param_groups[0]["lr"]
    rank = self.trainer.global_rank
    if self.global_step == 2:
        Path(f"{sys.argv[2]}-{rank}.json").write_text(
            json.dumps(batch.indices.tolist())
        )
    if self.global_step == 2 and rank == 1 and rate > 0.4:
        found["nll"] = found["nll"] * torch.inf
    return found


if __name__ == "__main__":
    TrainingModule.training_step = step  # type: ignore[method-assign]
    main(*sys.argv[1:])
