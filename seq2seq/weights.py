"""Reading checkpoints without Lightning. Knows torch's format; not the network."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import InputError

NETWORK = "network."  # What TranslationModule calls its network.


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, refusing anything but tensors and plain values.

    Raises:
        InputError: If it is missing, damaged, or holds pickled code.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; train first.") from error
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise InputError(
            f"{path} is damaged or no checkpoint of ours ({first}); use another one."
        ) from error
    if not isinstance(found, dict) or "state_dict" not in found:
        raise InputError(f"{path} holds no weights; use a checkpoint from a run.")
    return found


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of the network inside the training module."""
    return {
        name[len(NETWORK) :]: tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK)
    }
