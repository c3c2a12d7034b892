"""seq2seq export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.cli.options import RunPath
from seq2seq.utils.console import print_hint


def export(
    run: RunPath,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Model folder to write: weights as safetensors, tokenizers, settings, "
            "model card and the run's exports; all that answering needs."
        ),
    ] = None,
    engine: Annotated[
        Literal["onnx"] | None,
        typer.Option(help="Export the network in the run's folder for this engine."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantize weight matrices to 8 bits.")
    ] = False,
    half: Annotated[
        bool,
        typer.Option(
            "--half",
            help="Round the folder's weights to 16 bits, and leave exports out, which "
            "have all bits.",
        ),
    ] = False,
    license_key: Annotated[
        str | None,
        typer.Option(
            "--license", help="Licence of the model, for its card: cc-by-4.0, mit."
        ),
    ] = None,
) -> None:
    """Export a run: as a folder to hand on, or its network for another engine."""
    from seq2seq.errors import UserError

    if to is None and engine is None:
        raise UserError(
            "nothing to export: name a folder to hand on, --to FOLDER, or an engine, "
            "--engine onnx."
        )
    if int8 and engine is None:
        raise UserError("--int8 is of --engine onnx; add it.")
    if half and to is None:
        raise UserError("--half is of --to FOLDER; add it.")
    if half and engine is not None:
        raise UserError("--half leaves exports out; give --half or --engine.")
    if license_key is not None and to is None:
        raise UserError("--license is of --to FOLDER; add it.")
    if engine is not None:
        _export_onnx(run, int8=int8, hint=to is None)
    if to is not None:
        from seq2seq.runs.export_model import export_model
        from seq2seq.runs.task_run import TaskRun

        export_model(TaskRun.open(run), to, license_key=license_key, half=half)
        size = sum(p.stat().st_size for p in to.rglob("*") if p.is_file())
        print(f"{to}: {size / 1e6:.1f} MB, complete without {run}")
        if "\nlicense:" not in (to / "README.md").read_text("utf-8"):
            print_hint("its card states no licence; --license cc-by-4.0 does")


def _export_onnx(run: Path, *, int8: bool, hint: bool) -> None:
    from seq2seq.engines.onnx.export import export as export_onnx
    from seq2seq.runs.run import Run

    opened = Run.open(run)
    opened.folder.require_own()
    folder, comparison = export_onnx(opened, int8=int8)
    print(
        f"{folder} agrees with torch on {comparison.agreement:.1%} of the likeliest "
        f"tokens; log-probabilities differ by at most "
        f"{comparison.max_difference:.2g} nats"
    )
    if hint:
        print_hint(f"next: seq2seq translate {run} --engine onnx{'-int8' * int8}")
