"""Read and verify checkpoints without Lightning.

A checkpoint is torch's zip file whose comment, its last bytes, is the SHA-256 of all
bytes before it. torch and any program that reads zip files can still read it.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from seq2seq.errors import UserError

NETWORK_PREFIX = "network."  # The name of the network in TrainingModule.
COMMENT_PREFIX = b"seq2seq sha256 "
COMMENT_SIZE = len(COMMENT_PREFIX) + 64
COMMENT_LENGTH = struct.pack("<H", COMMENT_SIZE)
"""The two bytes between the zip file and its comment."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; only tensors and plain values are accepted.

    Raises:
        UserError: If it is missing, damaged, or holds pickled code.
    """
    try:
        with path.open("rb") as file:
            _verify(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About pickles that are not ours.
            checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; train first.") from error
    except Exception as error:
        # Hostile bytes make torch raise nearly anything; all of it means the file.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(
            f"{path} is damaged or no checkpoint of ours ({reason}); use another one."
        ) from error
    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not all(
        _is_plain_tensor(name, tensor) for name, tensor in weights.items()
    ):
        raise UserError(f"{path} holds no weights; use a checkpoint from a run.")
    return dict(checkpoint)


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Return the network's state dict from the training module's."""
    return {
        name[len(NETWORK_PREFIX) :]: tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK_PREFIX)
    }


def _is_plain_tensor(name: Any, tensor: Any) -> bool:
    is_tensor = isinstance(name, str) and isinstance(tensor, Tensor)
    return is_tensor and tensor.layout == torch.strided and tensor.device.type == "cpu"


def _verify(file: BinaryIO) -> None:
    """Verify the checksum and the sizes of the zip entries.

    Raises:
        ValueError: If they differ; also what zipfile raises.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - COMMENT_SIZE - 2))
    tail = file.read()
    has_checksum = tail.startswith(COMMENT_LENGTH + COMMENT_PREFIX)
    if has_checksum:
        file.seek(0)
        digest, remaining = hashlib.sha256(), size - len(tail)
        while remaining and (block := file.read(min(remaining, 1 << 20))):
            digest.update(block)
            remaining -= len(block)
        if digest.hexdigest().encode() != tail[-64:]:
            raise ValueError("its SHA-256 is not the one that was written")
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        # torch would fill the memory with what a few bytes unpack to.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its parts are compressed")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("its parts are larger than the file")
        # Checkpoints written before checksums were added have a CRC-32 per entry.
        if not has_checksum and archive.comment:
            raise ValueError("its checksum cannot be read")
        if not has_checksum and (damaged := archive.testzip()):
            raise ValueError(f"the CRC-32 of {damaged} is wrong")
