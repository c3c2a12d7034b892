"""Arguments that several verbs take."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from seq2seq.errors import UserError

RecipeName = Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", help="Override a key: -o model.dropout=0.2. May be repeated."),
]
SearchOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        help="Override how pieces are chosen: -o search.length_penalty=0.6; the keys "
        "are those of a recipe's search section. May be repeated.",
    ),
]


class Accelerator(str, Enum):
    """What a training computes on."""

    AUTO, CPU, GPU = "auto", "cpu", "gpu"


AcceleratorName = Annotated[
    Accelerator, typer.Option(help="What to compute on; auto takes a GPU if there is.")
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Train on so many GPUs of this machine, a process for each. torchrun and "
        "srun say it themselves. [1]",
    ),
]
RunPath = Annotated[Path, typer.Argument(help="A run folder, such as runs/quickstart.")]
EnsembleOf = Annotated[
    list[Path] | None,
    typer.Option(
        "--ensemble",
        help="Another run, or checkpoint in one, that speaks with it; may be repeated.",
    ),
]


class EngineName(Enum):
    """What can translate; a run must have been exported for all but torch."""

    torch = "torch"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"


def _leave_the_cores(engine: EngineName) -> EngineName:
    """Keep torch's waiting threads from the cores on which another engine computes.

    OpenMP reads this when torch is imported, which no verb has done yet.
    """
    if engine is not EngineName.torch:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    return engine


EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        callback=_leave_the_cores,
        help="What computes; see seq2seq export.",
    ),
]
ShortList = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="Choose from so many target pieces for each source piece, which is "
        "faster; see seq2seq shortlist. [all]",
    ),
]
Beam = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Beam size; 1 is greedy. [the recipe's]"),
]


def with_beam(overrides: list[str] | None, beam: int | None) -> list[str]:
    """Join -o and --beam.

    Raises:
        InputError: If they say different things.
    """
    found = list(overrides or [])
    if beam is not None:
        key = "search.beam_size"
        for override in found:
            name, _, value = override.partition("=")
            if name.strip() == key and value.strip() != str(beam):
                raise UserError(
                    f"--beam {beam} and -o {override} contradict each other; give one "
                    "of them."
                )
        found.append(f"{key}={beam}")
    return found
