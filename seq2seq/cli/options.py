"""Arguments that several commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from seq2seq.cli.verbs import MODEL
from seq2seq.errors import UserError
from seq2seq.utils.console import is_quiet

RecipeName = Annotated[
    str, typer.Argument(help="Name of a shipped recipe, or a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-o", help="Override a key of the recipe: -o model.dropout=0.2. Repeatable."
    ),
]
SearchOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        help="Override a key of the recipe's search section: "
        "-o search.length_penalty=0.6. Repeatable.",
    ),
]


DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda|cuda:1|auto",
        help="Where to compute; auto takes a GPU if there is one.",
        show_default="auto",
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of processes on this machine to train, each on its own GPU, or "
        "all on the CPU if there is none; torchrun and srun set it themselves.",
        show_default="1",
    ),
]


RunPath = Annotated[
    Path,
    MODEL,
    typer.Argument(
        help="Run folder, such as runs/quickstart, or a checkpoint in one; a model "
        "folder; demo; or a model on the Hugging Face Hub, hf://user/model.",
    ),
]
EnsembleOf = Annotated[
    list[Path] | None,
    MODEL,
    typer.Option(
        "--ensemble",
        help="Additional run or checkpoint to ensemble with. Repeatable.",
    ),
]
DataPath = Annotated[
    str | None,
    typer.Option("--data-path", help="Override data.path, for data that has moved."),
]
TargetLanguage = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="LANGUAGE",
        help="Language to translate into, of a run with several.",
        show_default="the run's only one",
    ),
]
Split = Annotated[
    str,
    typer.Option(help="Split of the data: train, valid, test, or the data's own name."),
]


def _set_passive_omp_wait(engine: str) -> str:
    """Keep torch's idle threads off the cores on which another engine computes.

    OpenMP reads the variable when torch is imported, which no verb has done yet.
    """
    if engine.startswith("onnx"):
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    return engine


EngineOption = Annotated[
    Literal["torch", "torch-bf16", "onnx", "onnx-int8"],
    typer.Option(
        "--engine",
        callback=_set_passive_omp_wait,
        help="Inference engine; those of ONNX Runtime need seq2seq export, "
        "and torch-bf16 a processor that multiplies bfloat16.",
    ),
]
ShortList = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="Number of target tokens to score for each source token, which is faster; "
        "needs seq2seq shortlist.",
        show_default="all",
    ),
]
LanguageModelPath = Annotated[
    Path | None,
    MODEL,
    typer.Option(
        "--language-model",
        help="Shallow fusion: run of a language model over the same target tokens, "
        "whose log-probabilities are added.",
    ),
]
LanguageModelWeight = Annotated[
    float | None,
    typer.Option(
        "--lm-weight",
        min=0,
        help="What the language model's log-probabilities are multiplied by.",
        show_default="0.2",
    ),
]
Beam = Annotated[
    int | None,
    typer.Option(
        min=1, max=1000, help="Beam size; 1 is greedy.", show_default="the recipe's"
    ),
]


SentencesOption = Annotated[
    Literal["split", "keep"] | None,
    typer.Option(
        help="Lines of several sentences: translate each, or the line at once.",
        show_default="split if below 5% of the training's lines hold several",
    ),
]


def choose_device(
    device: str | None,
    count: int = 1,
    *,
    engine: str = "torch",
    shortlist: int | None = None,
) -> str:
    """Resolve --device; say on standard error what auto chose, if it had a choice.

    Args:
        device: The option; None if it was not given.
        count: Number of processes.
        engine: Inference engine.
        shortlist: The option --shortlist.

    Returns:
        The device of the first process, as torch names it.

    Raises:
        UserError: If it cannot be used.
    """
    from seq2seq.engines.factory import engine_devices

    devices = engine_devices(device or "auto", count, kind=engine, shortlist=shortlist)
    had_choice = device is not None or devices.names[0] != "cpu"
    if devices.note and had_choice and not is_quiet():
        print(devices.note, file=sys.stderr)
    return devices.names[0]


def with_beam(overrides: list[str] | None, beam: int | None) -> list[str]:
    """Add --beam to the overrides of -o.

    Raises:
        UserError: If they contradict each other.
    """
    merged = list(overrides or [])
    if beam is not None:
        key = "search.beam_size"
        for override in merged:
            name, _, value = override.partition("=")
            if name.strip() == key and value.strip() != str(beam):
                raise UserError(
                    f"--beam {beam} and -o {override} contradict each other; give one "
                    "of them."
                )
        merged.append(f"{key}={beam}")
    return merged
