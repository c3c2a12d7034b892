"""Export a run to ONNX and verify the graphs against torch.

RUN/onnx/ or RUN/onnx-int8/ holds encoder.onnx, decoder_step.onnx, output_layer.onnx,
manifest.json (the format, the run's fingerprint, versions, and the differences from
torch) and SHA-256 checksums of all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq.data.collate import collate
from seq2seq.engines.engine import TorchEngine
from seq2seq.engines.onnx.engine import (
    DECODER_STEP,
    ENCODER,
    FILES,
    FORMAT,
    MANIFEST,
    OUTPUT_LAYER,
    OnnxEngine,
    import_onnxruntime,
)
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import package_versions, write_json
from seq2seq.types import BOS, EOS
from seq2seq.utils.checksums import write_checksums
from seq2seq.utils.files import replaced_folder

SENTENCES, STEPS = 16, 20  # Size of the comparison with torch.
TOLERANCE = 1e-3  # Nats, for float32 graphs.
INT8_TOLERANCE = 0.5  # Nats of Kullback-Leibler divergence, for int8 graphs.


@dataclass(frozen=True)
class Comparison:
    """Differences between an export and torch over the same target tokens.

    Attributes:
        max_difference: Maximum difference of a log-probability of at least -10, in
            nats.
        kl_divergence: Mean Kullback-Leibler divergence of a step, in nats.
        agreement: Share of steps with the same likeliest token.
        max_attention_difference: Maximum difference of an attention weight; 0 without
            attention.
    """

    max_difference: float
    kl_divergence: float
    agreement: float
    max_attention_difference: float


def export(run: Run, *, int8: bool) -> tuple[Path, Comparison]:
    """Export a run's network to ONNX graphs in its folder, once they agree with torch.

    Args:
        run: The run to export.
        int8: Whether products with weights are computed in 8 bits.

    Returns:
        The folder and the differences from torch.

    Raises:
        UserError: If packages are missing, the network has no ONNX form, or the result
            differs too much from torch.
    """
    network = run.network().eval()
    target = run.folder.path / ("onnx-int8" if int8 else "onnx")
    with replaced_folder(target) as folder:
        manifest = write_graphs(
            network, folder, int8=int8, fingerprint=run.fingerprint()
        )
        comparison = compare(
            TorchEngine(network), OnnxEngine(folder), source_vocab_size=len(run.source)
        )
        difference = max(comparison.max_difference, comparison.max_attention_difference)
        if not (
            comparison.kl_divergence < INT8_TOLERANCE
            if int8
            else difference < TOLERANCE
        ):
            raise UserError(
                f"the export differs from torch: {comparison.max_difference:.4f} nats "
                f"at most, {comparison.kl_divergence:.4f} on average. Use --engine "
                "torch" + (", or export without --int8." if int8 else ".")
            )
        _write_manifest(folder, manifest | {"comparison": asdict(comparison)})
    return target, comparison


def write_graphs(
    network: EncoderDecoder, folder: Path, *, int8: bool, fingerprint: str
) -> dict[str, Any]:
    """Write the graphs and the manifest that `OnnxEngine` reads.

    Args:
        network: The network to export.
        folder: An existing folder.
        int8: Whether products with weights are computed in 8 bits.
        fingerprint: Of the run.

    Returns:
        The content of the manifest.

    Raises:
        UserError: If packages are missing or the network has no ONNX form.
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
    graphs = {
        ENCODER: encoder_graph,
        DECODER_STEP: decoder_step_graph,
        OUTPUT_LAYER: output_graph,
    }
    for name, graph in graphs.items():
        save(graph(network, int8=int8), folder / name)
    manifest = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "int8": int8,
        "versions": package_versions() | {"onnxruntime": runtime},
    }
    _write_manifest(folder, manifest)
    return manifest


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest)
    write_checksums(folder, FILES)


@torch.inference_mode()
def compare(
    reference: TorchEngine, engine: OnnxEngine, *, source_vocab_size: int
) -> Comparison:
    """Compare two engines step by step, on the tokens that are likeliest for torch.

    Args:
        reference: The torch engine.
        engine: The engine to compare with it.
        source_vocab_size: Random sources are drawn from this many tokens.
    """
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 30, (SENTENCES,), generator=generator).tolist()
    sources = [
        torch.randint(
            EOS + 1, source_vocab_size, (length,), generator=generator
        ).tolist()
        for length in lengths
    ]
    batch = collate(sources, [[] for _ in sources])
    expected_state, expected_memory = reference.start(
        batch.source, batch.source_lengths
    )
    state, memory = engine.start(batch.source, batch.source_lengths)
    last_tokens = torch.full((SENTENCES,), BOS)
    max_difference, kl_divergence, agreement, attention = 0.0, 0.0, 0, 0.0
    for _ in range(STEPS):
        expected = reference.step(last_tokens, expected_state, expected_memory)
        output = engine.step(last_tokens, state, memory)
        expected_state, state = expected.state, output.state
        if expected.attention is not None and output.attention is not None:
            difference = (expected.attention - output.attention).abs().max()
            attention = max(attention, float(difference))
        likely = expected.log_probs > -10
        difference = (output.log_probs - expected.log_probs)[likely].abs().max()
        max_difference = max(max_difference, float(difference))
        divergences = (
            expected.log_probs.exp() * (expected.log_probs - output.log_probs)
        ).sum(dim=1)
        kl_divergence += float(divergences.sum())
        last_tokens = expected.log_probs.argmax(dim=1)
        agreement += int((output.log_probs.argmax(dim=1) == last_tokens).sum())
    steps = SENTENCES * STEPS
    return Comparison(
        max_difference, kl_divergence / steps, agreement / steps, attention
    )
