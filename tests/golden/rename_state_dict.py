"""Rewrite a checkpoint whose parameters have the names they had before release 0.1.0.

    python tests/golden/rename_state_dict.py RUN/checkpoints/best.ckpt

Tensors stay as they are, and so do optimizer states, which are by index. Modules that
keep their name are not in the table, such as the encoder's and the decoder's embedding,
decoder.readout and bridge.linear.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from torch import Tensor

from seq2seq.runs.checkpoint_io import write_checkpoint
from seq2seq.runs.checkpoint_reader import read_checkpoint

# Old and new module names, applied in this order.
RENAMES = [
    (r"\bencoder\.recurrent\.", "encoder.rnn."),
    (r"\bdecoder\.lower\.", "decoder.bottom_rnn."),
    (r"\bdecoder\.upper\.", "decoder.top_rnn."),
    (r"\bdecoder\.output\.", "decoder.output_layer."),
    (r"\battention\.query\.", "attention.query_projection."),
    (r"\battention\.project\.", "attention.key_projection."),
    (r"(\.layers\.\d+)\.layer\.", r"\1.rnn."),  # Fused cells.
    (r"(\.directions\.\d+)\.read\.", r"\1.input_to_hidden."),  # Normalised cells.
    (r"(\.directions\.\d+)\.recur\.", r"\1.hidden_to_hidden."),
    (r"(\.directions\.\d+)\.read_norm\.", r"\1.input_norm."),
    (r"(\.directions\.\d+)\.recur_norm\.", r"\1.hidden_norm."),
]


def new_name(name: str) -> str:
    """Return the name that a parameter has now."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def rename(value: Any) -> Any:
    """Rename every mapping from names to tensors, however deeply nested."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(item, Tensor) for item in value.values()):
        return type(value)((new_name(str(name)), value[name]) for name in value)
    return type(value)((name, rename(item)) for name, item in value.items())


if __name__ == "__main__":
    path = Path(sys.argv[1])
    checkpoint = rename(read_checkpoint(path))
    with path.open("wb") as file:
        write_checkpoint(checkpoint, file)
