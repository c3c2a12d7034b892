"""Exporting a run for ONNX Runtime. Knows graphs, files and how to compare; not lines.

RUN/onnx/ or RUN/onnx-int8/ holds reading.onnx, step.onnx, logits.onnx, manifest.json
with what they were made from and how near they come to torch, and SHA-256 sums of all.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq.data.collate import collate
from seq2seq.engines.engine import TorchEngine
from seq2seq.engines.onnx.engine import (
    FILES,
    KINDS,
    MANIFEST,
    READING,
    SCORING,
    STEP,
    OnnxEngine,
    import_onnxruntime,
)
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import package_versions, write_json
from seq2seq.types import BOS, EOS
from seq2seq.utils.checksums import write_checksums

SENTENCES, STEPS = 16, 20  # What torch and the export are compared on.
TOLERANCE = 1e-3  # Nats; of 32-bit graphs.
INT8_TOLERANCE = 0.5  # Nats, on average over probabilities; more is another model.


@dataclass(frozen=True)
class Comparison:
    """How far an export is from torch, over the same pieces.

    Attributes:
        largest: The largest difference of a log-probability of at least -10, in nats.
        divergence: Mean Kullback-Leibler divergence of a step, in nats.
        agreement: Share of steps with the same likeliest piece.
        attention: The largest difference of an attention weight; 0 without attention.
    """

    largest: float
    divergence: float
    agreement: float
    attention: float


def export(run: Run, *, int8: bool) -> tuple[Path, Comparison]:
    """Write a run's graphs beside its checkpoints, once they agree with torch.

    Args:
        run: What to export.
        int8: Whether to keep matrices with 8 bits; vectors are quantised as they come.

    Returns:
        The folder and how near it is to torch.

    Raises:
        InputError: If packages are missing, the network has no ONNX form, or the
            result is too far from torch.
    """
    network = run.network().eval()
    target = run.folder.path / KINDS["onnx-int8" if int8 else "onnx"]
    with _replaced(target) as folder:
        content = write_graphs(network, folder, int8=int8, of=run.fingerprint())
        torch_engine = TorchEngine(network)
        found = compare(torch_engine, OnnxEngine(folder), pieces=len(run.source))
        far = max(found.largest, found.attention)
        near = found.divergence < INT8_TOLERANCE if int8 else far < TOLERANCE
        if not near:
            raise UserError(
                f"the export differs from torch: {found.largest:.4f} nats at most, "
                f"{found.divergence:.4f} on average. Use --engine torch"
                + (", or export without --int8." if int8 else ".")
            )
        _write_manifest(folder, content | {"compared": asdict(found)})
    return target, found


def write_graphs(
    network: EncoderDecoder, folder: Path, *, int8: bool, of: str
) -> dict[str, Any]:
    """Write the graphs and the manifest that `OnnxEngine` reads.

    Args:
        network: What to export.
        folder: Where; it must exist.
        int8: Whether to keep matrices with 8 bits.
        of: What the graphs were made from.

    Returns:
        What stands in the manifest.

    Raises:
        InputError: If packages are missing or the network has no ONNX form.
    """
    runtime = import_onnxruntime().__version__
    try:
        from seq2seq.engines.onnx.graphs import (
            decoder_step_graph,
            encoder_graph,
            output_graph,
        )
        from seq2seq.engines.onnx.nodes import save
    except ImportError as error:
        raise UserError(
            "onnx is not installed: pip install 'seq2seq-recurrent[onnx]'."
        ) from error
    graphs = {READING: encoder_graph, STEP: decoder_step_graph, SCORING: output_graph}
    for name, graph in graphs.items():
        save(graph(network), folder / name)
        if int8:
            _quantise(folder / name)
    content = {
        "of": of,
        "int8": int8,
        "versions": package_versions() | {"onnxruntime": runtime},
    }
    _write_manifest(folder, content)
    return content


def _write_manifest(folder: Path, content: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, content)
    write_checksums(folder, FILES)


@torch.inference_mode()
def compare(reference: TorchEngine, engine: OnnxEngine, *, pieces: int) -> Comparison:
    """Step both through the same pieces, those that torch finds likeliest.

    Args:
        reference: Torch.
        engine: What to compare with it.
        pieces: Size of the source vocabulary, from which sources are drawn.
    """
    draw = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 30, (SENTENCES,), generator=draw).tolist()
    sources = [
        torch.randint(EOS + 1, pieces, (length,), generator=draw).tolist()
        for length in lengths
    ]
    batch = collate(sources, [[] for _ in sources])
    ours, ours_memory = reference.start(batch.source, batch.source_lengths)
    theirs, their_memory = engine.start(batch.source, batch.source_lengths)
    last = torch.full((SENTENCES,), BOS)
    largest, divergence, agreement, attention = 0.0, 0.0, 0, 0.0
    for _ in range(STEPS):
        our_step = reference.step(last, ours, ours_memory)
        their_step = engine.step(last, theirs, their_memory)
        ours, theirs = our_step.state, their_step.state
        expected, found = our_step.log_probs, their_step.log_probs
        if our_step.attention is not None and their_step.attention is not None:
            apart = (our_step.attention - their_step.attention).abs().max()
            attention = max(attention, float(apart))
        likely = expected > -10
        largest = max(largest, float((found - expected)[likely].abs().max()))
        each = (expected.exp() * (expected - found)).sum(dim=1)
        divergence += float(each.sum())
        agreement += int((found.argmax(dim=1) == expected.argmax(dim=1)).sum())
        last = expected.argmax(dim=1)
    steps = SENTENCES * STEPS
    return Comparison(largest, divergence / steps, agreement / steps, attention)


def _quantise(path: Path) -> None:
    """Keep the matrices of products and of LSTM layers with 8 bits, in place."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = path.with_suffix(".int8")
    kept = logging.root.manager.disable
    logging.disable(logging.WARNING)  # It advises what is for pictures.
    try:
        quantize_dynamic(
            path,
            quantised,
            op_types_to_quantize=["MatMul", "LSTM"],
            # A scale for each column; 7 of the 8 bits, since processors without VNNI
            # instructions add two products in 16 bits, which more would overflow.
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(kept)
    quantised.replace(path)


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """Fill a folder that takes its place only when the block ends well."""
    temporary = target.with_name(f".seq2seq-{secrets.token_hex(8)}.tmp")
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rename(old)
        temporary.rename(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
