"""Translating with ONNX Runtime. Knows an export's files and sessions; not networks.

On a CPU it steps faster than torch, and with int8 weights several times as fast.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seq2seq.engines.engine import RequiredTokens
from seq2seq.errors import UserError
from seq2seq.nn.loss import log_softmax
from seq2seq.runs.run import Run
from seq2seq.types import Batch, DecoderFeatures, StepOutput
from seq2seq.utils.checksums import find_corruption

MANIFEST = "manifest.json"
READING, STEP, SCORING = "reading.onnx", "step.onnx", "logits.onnx"
FILES = (MANIFEST, READING, STEP, SCORING)
NEXT = "next_"  # Before the names of the state that a step leaves.
KINDS = {"onnx": "onnx", "onnx-int8": "onnx-int8"}
"""The folder in a run of each kind of export."""


def import_onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises:
        InputError: If the extra is not installed.
    """
    try:
        import onnxruntime as found
    except ImportError as error:
        raise UserError(
            "ONNX Runtime is not installed: pip install 'seq2seq-recurrent[onnx]'."
        ) from error
    return found


class NamedTensors(NamedTuple):
    """Tensors with a row for each hypothesis or sentence.

    Attributes:
        parts: They, by the names that the graphs give them.
    """

    parts: dict[str, Tensor]

    def select(self, rows: Tensor) -> NamedTensors:
        """Keep these rows, in this order; a row may come twice."""
        return NamedTensors({name: part[rows] for name, part in self.parts.items()})


class OnnxEngine:
    """Graphs that were exported from a run.

    Args:
        folder: The export.

    Attributes:
        of: The fingerprint of the weights that it was exported from.

    Raises:
        InputError: If the runtime is missing, or a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.of = exported_fingerprint(folder)
        options = import_onnxruntime().SessionOptions()
        # Batches run side by side, which gains more than cutting up their matrices.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._reading, self._step, self._scoring = (
            import_onnxruntime().InferenceSession(
                str(folder / name), options, providers=["CPUExecutionProvider"]
            )
            for name in (READING, STEP, SCORING)
        )
        self._outputs = [each.name for each in self._reading.get_outputs()]
        self._said = [each.name for each in self._step.get_outputs()]
        self._state = [
            name.removeprefix(NEXT) for name in self._said if name.startswith(NEXT)
        ]

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[NamedTensors, NamedTensors]:
        """Read sources."""
        given = {"source": source.numpy(), "lengths": lengths.numpy()}
        found = self._reading.run(self._outputs, given)
        parts = dict(zip(self._outputs, map(torch.from_numpy, found), strict=True))
        state = {name: parts.pop(name) for name in self._state}
        return NamedTensors(state), NamedTensors(parts)

    def features(
        self, last: Tensor, state: NamedTensors, memory: NamedTensors
    ) -> DecoderFeatures[NamedTensors]:
        """Take one step of a search, up to what pieces are scored by."""
        parts = state.parts | memory.parts
        given = {name: part.numpy() for name, part in parts.items()}
        found = self._step.run(None, {"last": last.numpy(), **given})
        outputs = dict(zip(self._said, map(torch.from_numpy, found), strict=True))
        after = {name: outputs[NEXT + name] for name in self._state}
        return DecoderFeatures(
            outputs["features"], NamedTensors(after), outputs.get("weights")
        )

    def step(
        self,
        last: Tensor,
        state: NamedTensors,
        memory: NamedTensors,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[NamedTensors]:
        """Take one step of a search; several rows may share a row of the memory."""
        found = self.features(last, state, memory)
        given = {"features": found.features.numpy()}
        [logits] = self._scoring.run(None, given)
        scores = torch.from_numpy(logits)
        if not unnormalized:
            scores = log_softmax(scores)
        return StepOutput(scores, found.state, found.attention, unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Refuse."""
        raise UserError("ONNX Runtime only searches; score with --engine torch.")


def exported_fingerprint(folder: Path) -> str:
    """Check an export's files and read the fingerprint of what it was made from.

    Raises:
        InputError: If it is missing or damaged.
    """
    if not folder.is_dir():
        kind = next(kind for kind, name in KINDS.items() if name == folder.name)
        raise UserError(
            f"{folder} is missing: this run was not exported. First: seq2seq export "
            f"{folder.parent} --engine onnx{' --int8' if 'int8' in kind else ''}"
        )
    if fault := find_corruption(folder, FILES):
        raise UserError(f"{fault}. Export the run again with seq2seq export.")
    return str(json.loads((folder / MANIFEST).read_bytes())["of"])


def load_onnx_engine(run: Run, kind: str) -> OnnxEngine:
    """Load a run's export.

    Args:
        run: The run.
        kind: onnx or onnx-int8.

    Raises:
        InputError: If there is none, it is damaged, or it is of other weights.
    """
    folder = run.folder.path / KINDS[kind]
    with ThreadPoolExecutor(1) as pool:  # Reading both takes as long as the longer.
        # Where only the export was copied there is nothing to compare with.
        there = run.checkpoint.is_file()
        weights = pool.submit(run.fingerprint) if there else None
        engine = OnnxEngine(folder)
        if weights is not None and weights.result() != engine.of:
            raise UserError(
                f"{folder} was exported from other weights than {run.checkpoint}. "
                "Export the run again with seq2seq export."
            )
    return engine
