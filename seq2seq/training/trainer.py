"""Lightning's Trainer and DataLoader, as this house uses them.

Knows Lightning's switches; not recipes' data, callbacks or what is trained.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader

from seq2seq.data.dataset import validation_batches
from seq2seq.data.preprocessing import Tokenizers
from seq2seq.recipe import Recipe
from seq2seq.runs.checkpoint_io import AtomicCheckpointIO
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training.distributed import ProcessGroup

LAUNCHERS: dict[str, type[ClusterEnvironment]] = {
    "lightning": LightningEnvironment,
    "torchrun": TorchElasticEnvironment,
    "slurm": SLURMEnvironment,
}


def validation_loader(
    valid: Any, tokenizers: Tokenizers, batch_tokens: int, ranks: ProcessGroup
) -> Any:
    """Wrap this process's share of the validation batches.

    Unwrapped, Lightning would take each tuple for more loaders.
    """
    batches = validation_batches(
        tokenizers.source.encode([pair.source for pair in valid]),
        tokenizers.target.encode([pair.target for pair in valid]),
        batch_tokens=batch_tokens,
    )
    # Without a batch of its own, a process would leave out the hooks that gather. The
    # judge counts a batch that came twice once.
    mine = batches[ranks.rank :: ranks.world_size] or batches[:1]
    loader: Any = mine  # DataLoader reads any sequence, whatever its type says.
    return DataLoader(loader, batch_size=None, collate_fn=lambda batch: batch)


def make_trainer(
    recipe: Recipe,
    total_steps: int,
    callbacks: list[Callback],
    run: RunFolder,
    ranks: ProcessGroup,
) -> Trainer:
    """Set Lightning up: one endless epoch, validation by steps, nothing of its own."""
    options = recipe.train
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # About workers, loggers and progress bars that we do without on purpose.
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    interval = (
        min(options.validate_every, total_steps) * options.accumulate_grad_batches
    )
    # Named, since Lightning would take any shell in a SLURM allocation for a task.
    environment = [LAUNCHERS[ranks.launcher]()] if ranks.world_size > 1 else []
    return Trainer(
        accelerator=ranks.accelerator,
        devices=ranks.devices,
        num_nodes=ranks.num_nodes,
        strategy="ddp" if ranks.world_size > 1 else "auto",
        precision=options.precision,
        max_epochs=-1,
        max_steps=total_steps + 1,  # The judge ends it, after a last validation.
        accumulate_grad_batches=options.accumulate_grad_batches,
        check_val_every_n_epoch=None,
        val_check_interval=interval,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO({run.last: run.previous}), *environment],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )
