"""Read and write weights in the safetensors format, whose header cannot hold code.

Eight bytes with the header's length, the header as JSON (dtype, shape and the bytes of
each tensor), then the tensors' bytes, little-endian and row by row, without a gap.

Source: https://github.com/huggingface/safetensors, section "Format".
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file

MAX_HEADER_BYTES = 1 << 24
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
TIED = "tied"
"""Key of the metadata: JSON, the other names of tensors that have several."""


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors; one that has several names is written once.

    Args:
        path: The file, which is complete or not there.
        tensors: On the CPU.
    """
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {}
    first: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    parts: list[bytes] = []
    end = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and key in first:
            tied[name] = first[key]
            continue
        first[key] = name
        flat = tensor.detach().contiguous().flatten().view(torch.uint8)
        parts.append(flat.numpy().tobytes())
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + len(parts[-1])],
        }
        end += len(parts[-1])
    metadata = {"format": "pt"} | ({TIED: json.dumps(tied)} if tied else {})
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    text += b" " * (-len(text) % 8)
    with atomic_file(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for part in parts:
            file.write(part)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read tensors, those with several names under all of them.

    Raises:
        UserError: If the file is missing, or a byte of it is not as the format wants.
    """
    try:
        content = bytearray(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return _parse(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged or no safetensors file ({error}); fetch it again."
        ) from error


def _parse(content: bytearray) -> dict[str, Tensor]:
    if len(content) < 8:
        raise ValueError("it is shorter than its header")
    (length,) = struct.unpack("<Q", content[:8])
    start = 8 + length
    if length > MAX_HEADER_BYTES or start > len(content):
        raise ValueError("its header is longer than the file")
    header = json.loads(content[8:start].decode())
    metadata = header.pop("__metadata__", {})
    end = 0
    tensors: dict[str, Tensor] = {}
    for name, entry in sorted(header.items(), key=lambda x: x[1]["data_offsets"]):
        dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
        if not all(type(size) is int and 0 <= size < 1 << 63 for size in shape):
            raise ValueError(f"{name} has no shape")
        size = math.prod(shape) * dtype.itemsize
        if entry["data_offsets"] != [end, end + size]:
            raise ValueError(f"{name} does not follow the tensor before it")
        if start + end + size > len(content):
            raise ValueError(f"{name} ends after the file")
        tensor = torch.empty(0, dtype=dtype)
        if size:
            count = math.prod(shape)
            tensor = torch.frombuffer(
                content, dtype=torch.uint8, count=size, offset=start + end
            )
            tensor = tensor.clone().view(dtype)[:count]
        tensors[name] = tensor.reshape(shape)
        end += size
    if start + end != len(content):
        raise ValueError("it is longer than its tensors")
    for name, other in json.loads(metadata.get(TIED, "{}")).items():
        tensors[name] = tensors[other]
    return tensors
