"""Build an engine from one or more trained runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from seq2seq.engines.engine import Engine, FeatureEngine, TorchEngine
from seq2seq.engines.ensemble import Ensemble
from seq2seq.engines.shortlist import ShortlistEngine, load_table
from seq2seq.errors import UserError
from seq2seq.runs.run import Run

log = logging.getLogger(__name__)


def open_runs(
    run: str | Path, others: Sequence[str | Path] = (), *, checkpoint: str = "best"
) -> list[Run]:
    """Open the runs of an ensemble.

    Args:
        run: A run folder, or a checkpoint in one.
        others: Further members of the ensemble.
        checkpoint: best or last, where a run folder is given.

    Raises:
        UserError: If one is no run, or their tokenizers differ.
    """
    runs = [Run.open(path, checkpoint=checkpoint) for path in (run, *others)]
    for other in runs[1:]:
        runs[0].require_same_tokenizers(other)
    return runs


def load_engine(
    runs: Sequence[Run],
    kind: str = "torch",
    *,
    precise: bool = False,
    device: str = "cpu",
    shortlist: int | None = None,
) -> Engine:
    """Load an engine; several runs become an ensemble.

    Args:
        runs: At least one.
        kind: torch, onnx or onnx-int8.
        precise: Whether torch computes in double precision, so that sums do not depend
            on the rest of the batch.
        device: torch's device, for the network and its inputs.
        shortlist: Target tokens in the shortlist per source token; if None, the whole
            vocabulary is scored.

    Raises:
        UserError: If a checkpoint or an export is missing, damaged or does not fit,
            there is no shortlist, or export or shortlist are to run on another device
            than the CPU.
    """
    if kind != "torch" and device != "cpu":
        raise UserError(f"the engine {kind} computes on the CPU, not on {device}.")
    if shortlist is not None and device != "cpu":
        raise UserError("--shortlist is for the CPU; leave it or the device out.")
    engines: list[Engine] = []
    for run in runs:
        engine: FeatureEngine
        if kind == "torch":
            network = run.network().to(device)
            engine = TorchEngine(network.double() if precise else network)
        else:
            from seq2seq.engines.onnx.engine import load_onnx_engine

            engine = load_onnx_engine(run, kind)
        engines.append(
            engine if shortlist is None else _with_shortlist(engine, run, shortlist)
        )
    log.debug("engine %s on %s of %d runs", kind, device, len(engines))
    return engines[0] if len(engines) == 1 else Ensemble(engines)


def _with_shortlist(engine: FeatureEngine, run: Run, size: int) -> ShortlistEngine:
    """Wrap an engine so that it scores only a shortlist of the vocabulary."""
    table = load_table(
        run.folder.path,
        source_vocab_size=len(run.source),
        target_vocab_size=len(run.target),
    )
    network = engine.network if isinstance(engine, TorchEngine) else run.network()
    return ShortlistEngine(engine, network.decoder.output_layer, table, size=size)
