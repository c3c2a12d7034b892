"""The processes that train together, as torchrun, SLURM or --devices start them.

torchrun and SLURM start every process and say how many there are in environment
variables; on one machine `--devices` asks Lightning to start them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from seq2seq.errors import UserError


class DistributedConfig(NamedTuple):
    """The processes of one training.

    Attributes:
        devices: Processes on each node, one for each device.
        num_nodes: Number of machines.
        rank: Global rank of this process, from 0.
        launcher: What starts the processes: lightning, torchrun or slurm.
    """

    devices: int = 1
    num_nodes: int = 1
    rank: int = 0
    launcher: str = "lightning"

    @property
    def world_size(self) -> int:
        """Number of processes on all nodes."""
        return self.devices * self.num_nodes

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0


def detect_distributed(
    devices: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> DistributedConfig:
    """Detect the processes of this training.

    Args:
        devices: The option --devices; None if it was not given.
        environment: The process's environment variables.

    Raises:
        UserError: If the launcher started another number of processes.
    """
    config = _from_launcher(environment)
    if config is None:
        rank = int(
            environment.get("LOCAL_RANK", 0)
        )  # Set by Lightning in the processes that it starts.
        config = DistributedConfig(devices or 1, rank=rank)
    elif devices is not None and devices != config.devices:
        raise UserError(
            f"--devices is {devices}, but {config.launcher} started {config.devices} "
            "processes on each node. Leave --devices out, or make them equal."
        )
    return config


def _from_launcher(environment: Mapping[str, str]) -> DistributedConfig | None:
    """Read the variables of torchrun or srun, if one of them started this process."""
    if "TORCHELASTIC_RUN_ID" in environment:
        world_size, local_size = (
            int(environment[f"{n}WORLD_SIZE"]) for n in ("", "LOCAL_")
        )
        names = ("torchrun", "RANK")
    elif "SLURM_STEP_ID" in environment and int(environment.get("SLURM_NTASKS", 1)) > 1:
        world_size = int(environment["SLURM_NTASKS"])
        local_size = -(-world_size // int(environment.get("SLURM_NNODES", 1)))
        names = ("slurm", "SLURM_PROCID")
    else:
        return None
    if world_size % local_size:
        raise UserError(
            f"{names[0]} started {world_size} processes, and they cannot be as many on "
            "every node. Ask for the same number on each, one for each device."
        )
    rank = int(environment[names[1]])
    return DistributedConfig(local_size, world_size // local_size, rank, names[0])
