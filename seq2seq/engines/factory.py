"""Build an engine from one or more trained runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from seq2seq.engines.engine import Engine, FeatureEngine, TorchEngine
from seq2seq.engines.ensemble import Ensemble
from seq2seq.engines.language_model import LanguageModelEngine, open_language_model
from seq2seq.engines.shortlist import ShortlistEngine, load_table
from seq2seq.errors import UserError
from seq2seq.runs.hub import model_path
from seq2seq.runs.run import Run
from seq2seq.utils.devices import Devices, has_bfloat16, resolve_devices

LM_WEIGHT = 0.2
"""Weight of a language model, unless an option says it."""

log = logging.getLogger(__name__)


def open_runs(
    run: str | Path, others: Sequence[str | Path] = (), *, checkpoint: str = "best"
) -> list[Run]:
    """Open the runs of an ensemble.

    Args:
        run: A run folder, a checkpoint in one, or demo, the model that ships.
        others: Further members of the ensemble.
        checkpoint: best or last, where a run folder is given.

    Raises:
        UserError: If one is no run, or their tokenizers differ.
    """
    paths = [model_path(path) for path in (run, *others)]
    runs = [Run.open(path, checkpoint=checkpoint) for path in paths]
    for other in runs[1:]:
        runs[0].require_same_tokenizers(other)
    return runs


def engine_devices(
    device: str, count: int = 1, *, kind: str = "torch", shortlist: int | None = None
) -> Devices:
    """Resolve a device for an engine; those but torch, and shortlists, are for the CPU.

    Args:
        device: cpu, cuda, cuda:1 or auto.
        count: Number of processes.
        kind: torch, torch-bf16, onnx or onnx-int8.
        shortlist: As for `load_engine`.

    Raises:
        UserError: If it cannot compute there.
    """
    limit = "" if shortlist is None else "--shortlist"
    limit = limit if kind == "torch" else f"--engine {kind}"
    return resolve_devices(device, count, cpu_only=limit)


def load_engine(
    runs: Sequence[Run],
    kind: str = "torch",
    *,
    precise: bool = False,
    device: str = "cpu",
    shortlist: int | None = None,
    language_model: str | Path | None = None,
    lm_weight: float = LM_WEIGHT,
) -> Engine:
    """Load an engine; several runs become an ensemble.

    Args:
        runs: At least one.
        kind: torch, torch-bf16, onnx or onnx-int8.
        precise: Whether torch computes in double precision, so that sums do not depend
            on the rest of the batch.
        device: Device of the network and its inputs: cpu, cuda, cuda:1 or auto.
        shortlist: Target tokens in the shortlist per source token; if None, the whole
            vocabulary is scored.
        language_model: The run of a language model over the same target tokens, for
            shallow fusion; none if None.
        lm_weight: The weight of its log-probabilities, at least 0.

    Raises:
        UserError: If a checkpoint or an export is missing, damaged or does not fit,
            there is no shortlist or no such device, an engine but torch or a shortlist
            are to run on another device than the CPU, it has no bfloat16 products, the
            language model is none over these tokens, or its weight is below 0.
    """
    (device,) = engine_devices(device, kind=kind, shortlist=shortlist).names
    if not lm_weight >= 0:
        raise UserError(f"lm_weight is {lm_weight}, but must be at least 0.")
    fused = language_model and open_language_model(language_model, tokens_of=runs[0])
    engines: list[Engine] = []
    for run in runs:
        engine: FeatureEngine
        if kind == "torch":
            network = run.network().to(device)
            engine = TorchEngine(network.double() if precise else network)
        elif kind == "torch-bf16":
            engine = TorchEngine(run.network(), torch.bfloat16)
            if not has_bfloat16(device) or engine.step_network is engine.network:
                raise UserError(
                    "--engine torch-bf16 needs a processor that multiplies bfloat16 "
                    "(AVX-512 BF16 or AMX). Use --engine torch."
                )
        else:
            from seq2seq.engines.onnx.engine import load_onnx_engine

            engine = load_onnx_engine(run, kind)
        engines.append(
            engine if shortlist is None else _with_shortlist(engine, run, shortlist)
        )
    log.debug("engine %s on %s of %d runs", kind, device, len(engines))
    loaded = engines[0] if len(engines) == 1 else Ensemble(engines)
    if not fused or lm_weight == 0:
        return loaded
    network = fused.network().to(device)
    model = LanguageModelEngine(network.double() if precise else network)
    return Ensemble([loaded, model], weights=(1.0, lm_weight))


def _with_shortlist(engine: FeatureEngine, run: Run, size: int) -> ShortlistEngine:
    """Wrap an engine so that it scores only a shortlist of the vocabulary."""
    table = load_table(
        run.folder.path,
        source_vocab_size=len(run.source),
        target_vocab_size=len(run.target),
    )
    network = engine.network if isinstance(engine, TorchEngine) else run.network()
    return ShortlistEngine(engine, network.decoder.output_layer, table, size=size)
