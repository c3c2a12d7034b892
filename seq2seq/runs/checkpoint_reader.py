"""Reading checkpoints without Lightning, and the sum that says they are whole.

Knows torch's format, a zip file; not the network, and not what training keeps. The last
bytes of a checkpoint are the zip file's comment: a SHA-256 of all that stands before
them. Any program that reads zip files can still read it, torch among them.
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

NETWORK = "network."  # What TranslationModule calls its network.
MARK = b"seq2seq sha256 "
COMMENT = len(MARK) + 64
LENGTH = struct.pack("<H", COMMENT)  # Two bytes between the zip file and its comment.


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, refusing anything but tensors and plain values.

    Raises:
        InputError: If it is missing, damaged, or holds pickled code.
    """
    try:
        with path.open("rb") as file:
            _check(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About pickles that are not ours.
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; train first.") from error
    except Exception as error:
        # Hostile bytes make torch raise nearly anything; all of it means the file.
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(
            f"{path} is damaged or no checkpoint of ours ({first}); use another one."
        ) from error
    weights = found.get("state_dict") if isinstance(found, dict) else None
    if not isinstance(weights, dict) or not all(map(_plain, weights.items())):
        raise UserError(f"{path} holds no weights; use a checkpoint from a run.")
    return dict(found)


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of the network inside the training module."""
    return {
        name[len(NETWORK) :]: tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NETWORK)
    }


def _plain(item: tuple[Any, Any]) -> bool:
    name, value = item
    plain = isinstance(name, str) and isinstance(value, Tensor)
    return plain and value.layout == torch.strided and value.device.type == "cpu"


def _check(file: BinaryIO) -> None:
    """Compare the sum and the sizes with the bytes.

    Raises:
        ValueError: If they differ; also what zipfile raises.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - COMMENT - 2))
    tail = file.read()
    summed = tail.startswith(LENGTH + MARK)
    if summed:
        file.seek(0)
        total, left = hashlib.sha256(), size - len(tail)
        while left and (block := file.read(min(left, 1 << 20))):
            total.update(block)
            left -= len(block)
        if total.hexdigest().encode() != tail[-64:]:
            raise ValueError("its SHA-256 is not the one that was written")
    with zipfile.ZipFile(file) as parts:
        stored = parts.infolist()
        # torch would fill the memory with what a few bytes unpack to.
        if any(part.compress_type != zipfile.ZIP_STORED for part in stored):
            raise ValueError("its parts are compressed")
        if sum(part.file_size for part in stored) > size:
            raise ValueError("its parts are larger than the file")
        # Checkpoints from before there were sums have a CRC-32 for each part.
        if not summed and parts.comment:
            raise ValueError("its sum cannot be read")
        if not summed and (bad := parts.testzip()):
            raise ValueError(f"the CRC-32 of {bad} is wrong")
