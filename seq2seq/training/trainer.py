"""The Lightning Trainer of `seq2seq train`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger

from seq2seq.recipe import BaseRecipe
from seq2seq.runs.checkpoint_io import AtomicCheckpointIO
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training.distributed import DistributedConfig

LOG_EVERY_N_STEPS = 50

LAUNCHERS: dict[str, type[ClusterEnvironment]] = {
    "lightning": LightningEnvironment,
    "torchrun": TorchElasticEnvironment,
    "slurm": SLURMEnvironment,
}


def make_trainer(
    recipe: BaseRecipe,
    run: RunFolder,
    *,
    total_steps: int,
    callbacks: list[Callback],
    loggers: list[Logger],
    device_names: Sequence[str],
    distributed: DistributedConfig,
) -> Trainer:
    """Build a Trainer that validates by steps and writes checkpoints atomically.

    Args:
        recipe: The recipe; its train section sets precision and intervals.
        run: The run folder.
        total_steps: Optimizer steps of the whole training; StopAtLastStep ends it.
        callbacks: All callbacks; ResumeCheckpoint is the last.
        loggers: Lightning's experiment loggers, perhaps none.
        device_names: The device of each process of this machine, as torch names it.
        distributed: The processes that train together.
    """
    options = recipe.train
    assert options.precision != "auto"  # `resolve_precision` came before.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # About workers, loggers and progress bars, which are left out on purpose.
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    steps_per_validation = min(options.validate_every, total_steps)
    environment = []
    if distributed.world_size > 1:
        # Named, since Lightning would take any shell in a SLURM allocation for a task.
        environment = [LAUNCHERS[distributed.launcher]()]
    accelerator = device_names[0].partition(":")[0]
    indices = [name.partition(":")[2] for name in device_names]
    return Trainer(
        accelerator=accelerator,
        devices=[int(i) for i in indices] if accelerator == "cuda" else len(indices),
        num_nodes=distributed.num_nodes,
        strategy="ddp" if distributed.world_size > 1 else "auto",
        precision=options.precision,
        max_epochs=-1,
        # One more than is trained: at the limit Lightning would not resume to validate.
        max_steps=total_steps + 1,
        accumulate_grad_batches=options.accumulate_grad_batches,
        check_val_every_n_epoch=None,
        val_check_interval=steps_per_validation * options.accumulate_grad_batches,
        num_sanity_val_steps=0,
        log_every_n_steps=LOG_EVERY_N_STEPS,
        callbacks=callbacks,
        logger=loggers or False,
        plugins=[
            AtomicCheckpointIO(backups={run.last: run.previous}, inference={run.best}),
            *environment,
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run.path,
    )
