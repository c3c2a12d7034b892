"""Decoding with ONNX Runtime on the CPU.

It steps faster than torch, and with int8 weights several times as fast.
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
ENCODER, DECODER_STEP = "encoder.onnx", "decoder_step.onnx"
OUTPUT_LAYER = "output_layer.onnx"
FILES = (MANIFEST, ENCODER, DECODER_STEP, OUTPUT_LAYER)
NEXT = "next_"  # Prefix of the names of the state after a step.

FORMAT = 2
"""Raised with every change of the graphs that this version's `OnnxEngine` depends on,
or that makes equal runs score differently. 2: activations have fixed scales."""


def import_onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises:
        UserError: If the extra is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "ONNX Runtime is not installed: pip install 'seq2seq-recurrent[onnx]'."
        ) from error
    return onnxruntime


class NamedTensors(NamedTuple):
    """Tensors with one row per hypothesis or sentence.

    Attributes:
        tensors: By their names in the graphs.
    """

    tensors: dict[str, Tensor]

    def select(self, rows: Tensor) -> NamedTensors:
        """Select these rows, in this order; a row may be repeated."""
        return NamedTensors(
            {name: part.index_select(0, rows) for name, part in self.tensors.items()}
        )


class OnnxEngine:
    """The exported graphs of a run, on ONNX Runtime.

    Args:
        folder: The export.

    Attributes:
        fingerprint: Of the run that it was exported from (see `Run.fingerprint`).

    Raises:
        UserError: If the runtime is missing, or a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.fingerprint = exported_fingerprint(folder)
        options = import_onnxruntime().SessionOptions()
        # Batches run in parallel threads, which gains more than parallel products.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._encoder, self._step, self._output_layer = (
            import_onnxruntime().InferenceSession(
                str(folder / name), options, providers=["CPUExecutionProvider"]
            )
            for name in (ENCODER, DECODER_STEP, OUTPUT_LAYER)
        )
        self._encoder_outputs = [node.name for node in self._encoder.get_outputs()]
        self._step_outputs = [node.name for node in self._step.get_outputs()]
        self._state_names = [
            name.removeprefix(NEXT)
            for name in self._step_outputs
            if name.startswith(NEXT)
        ]

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[NamedTensors, NamedTensors]:
        """Encode source sentences and initialise the decoder."""
        inputs = {"source": source.numpy(), "lengths": lengths.numpy()}
        arrays = self._encoder.run(self._encoder_outputs, inputs)
        memory = dict(
            zip(self._encoder_outputs, map(torch.from_numpy, arrays), strict=True)
        )
        state = {name: memory.pop(name) for name in self._state_names}
        return NamedTensors(state), NamedTensors(memory)

    def step_features(
        self, last_tokens: Tensor, state: NamedTensors, memory: NamedTensors
    ) -> DecoderFeatures[NamedTensors]:
        """Take one decoding step, up to the input of the output layer."""
        tensors = {"last_tokens": last_tokens} | state.tensors | memory.tensors
        inputs = {name: tensor.numpy() for name, tensor in tensors.items()}
        arrays = self._step.run(None, inputs)
        outputs = dict(
            zip(self._step_outputs, map(torch.from_numpy, arrays), strict=True)
        )
        next_state = {name: outputs[NEXT + name] for name in self._state_names}
        return DecoderFeatures(
            outputs["features"], NamedTensors(next_state), outputs.get("attention")
        )

    def step(
        self,
        last_tokens: Tensor,
        state: NamedTensors,
        memory: NamedTensors,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[NamedTensors]:
        """Take one decoding step; several rows may share a row of the memory."""
        output = self.step_features(last_tokens, state, memory)
        inputs = {"features": output.features.numpy()}
        [logits] = self._output_layer.run(None, inputs)
        scores = torch.from_numpy(logits)
        if not unnormalized:
            scores = log_softmax(scores)
        return StepOutput(scores, output.state, output.attention, unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Raise: only single steps are exported."""
        raise UserError("ONNX Runtime only searches; score with --engine torch.")


def exported_fingerprint(folder: Path) -> str:
    """Verify the files of an export and read the fingerprint of its run.

    Raises:
        UserError: If it is missing, damaged or of another version.
    """
    int8 = " --int8" if "int8" in folder.name else ""
    command = f"seq2seq export {folder.parent} --engine onnx{int8}"
    if not folder.is_dir():
        raise UserError(
            f"{folder} is missing: this run was not exported. First: {command}"
        )
    if damage := find_corruption(folder, FILES):
        raise UserError(f"{damage}. Export the run again with seq2seq export.")
    manifest = json.loads((folder / MANIFEST).read_bytes())
    version = manifest.get("format", 1)
    if version != FORMAT:
        raise UserError(
            f"{folder} has the export format {version}, but this version reads "
            f"{FORMAT}. Export the run again: {command}"
        )
    return str(manifest["fingerprint"])


def load_onnx_engine(run: Run, kind: str) -> OnnxEngine:
    """Load the export of a run.

    Args:
        run: The run.
        kind: onnx or onnx-int8, which is also the folder's name.

    Raises:
        UserError: If there is none, it is damaged, or it is of other weights.
    """
    folder = run.folder.path / kind
    with ThreadPoolExecutor(1) as pool:  # Hash the weights while the graphs load.
        # Where only the export was copied there is nothing to compare with.
        has_weights = run.checkpoint.is_file()
        fingerprint = pool.submit(run.fingerprint) if has_weights else None
        engine = OnnxEngine(folder)
        if fingerprint is not None and fingerprint.result() != engine.fingerprint:
            raise UserError(
                f"{folder} was exported from other weights than {run.checkpoint}. "
                "Export the run again with seq2seq export."
            )
    return engine
