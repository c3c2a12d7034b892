"""Which processes train together, and which of them this one is.

Knows the variables by which torchrun, SLURM and Lightning tell a process its place; not
models, data or what the processes say to each other. torchrun and SLURM start every
process themselves and say how many there are, so nobody need repeat it; on one machine
`--devices` asks Lightning to start them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from seq2seq.errors import UserError


class ProcessGroup(NamedTuple):
    """The processes of one training.

    Attributes:
        accelerator: What they compute on: auto, cpu or gpu.
        devices: Processes on each node, one for each device.
        num_nodes: Machines.
        rank: This process's number, from 0; the first one writes and speaks.
        launcher: Who starts them: lightning, torchrun or slurm.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    rank: int = 0
    launcher: str = "lightning"

    @property
    def world_size(self) -> int:
        """How many processes there are on all nodes."""
        return self.devices * self.num_nodes

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0


def detect_distributed(
    devices: int | None = None,
    accelerator: str = "auto",
    environment: Mapping[str, str] = os.environ,
) -> ProcessGroup:
    """Find out who trains.

    Args:
        devices: What the command line asks for; None if nothing.
        accelerator: auto, cpu or gpu.
        environment: The process's variables.

    Raises:
        InputError: If there are not so many devices, or the launcher started another
            number of processes.
    """
    found = _started(accelerator, environment)
    if found is None:
        rank = int(environment.get("LOCAL_RANK", 0))  # Lightning tells its children.
        found = ProcessGroup(accelerator, devices or 1, rank=rank)
    elif devices is not None and devices != found.devices:
        raise UserError(
            f"--devices is {devices}, but {found.launcher} started {found.devices} "
            "processes on each node. Leave --devices out, or make them equal."
        )
    _check_devices(found)
    return found


def _started(accelerator: str, environment: Mapping[str, str]) -> ProcessGroup | None:
    """Read what torchrun or srun says, if one of them started this process."""
    if "TORCHELASTIC_RUN_ID" in environment:
        count, here = (int(environment[f"{n}WORLD_SIZE"]) for n in ("", "LOCAL_"))
        names = ("torchrun", "RANK")
    elif "SLURM_STEP_ID" in environment and int(environment.get("SLURM_NTASKS", 1)) > 1:
        count = int(environment["SLURM_NTASKS"])
        here = -(-count // int(environment.get("SLURM_NNODES", 1)))
        names = ("slurm", "SLURM_PROCID")
    else:
        return None
    if count % here:
        raise UserError(
            f"{names[0]} started {count} processes, and they cannot be as many on "
            "every node. Ask for the same number on each, one for each device."
        )
    rank = int(environment[names[1]])
    return ProcessGroup(accelerator, here, count // here, rank, names[0])


def _check_devices(ranks: ProcessGroup) -> None:
    """Refuse to ask for GPUs that are not there, in our words."""
    if ranks.accelerator == "cpu":
        return
    import torch

    gpus = torch.cuda.device_count()
    if (
        ranks.accelerator == "gpu"
        and not gpus
        and not torch.backends.mps.is_available()
    ):
        raise UserError(
            "--accelerator is gpu, but torch finds no GPU here. Leave it out, or "
            "install a build of torch that fits the GPU."
        )
    if gpus and ranks.devices > gpus:
        raise UserError(
            f"{ranks.devices} processes came for {gpus} GPUs on this machine; each "
            f"needs one of its own. Use --devices {gpus}, or --accelerator cpu."
        )
