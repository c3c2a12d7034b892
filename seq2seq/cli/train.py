"""seq2seq train; imports nothing heavy before the command runs."""

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Accelerator,
    AcceleratorName,
    Devices,
    Overrides,
    RecipeName,
)
from seq2seq.utils.memory import gc_disabled


def train(
    recipe: RecipeName,
    override: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="The run folder.", show_default="runs/RECIPE")
    ] = None,
    devices: Devices = None,
    accelerator: AcceleratorName = Accelerator.AUTO,
) -> None:
    """Train a recipe; the same command again continues where it stopped."""
    from seq2seq.recipe.loader import read_recipe

    resolved = read_recipe(recipe, override or [])
    with gc_disabled():
        from seq2seq.training.distributed import detect_distributed
        from seq2seq.training.train import train as train_recipe

    name = Path(recipe).stem if recipe.endswith((".yaml", ".yml")) else recipe
    distributed = detect_distributed(devices, accelerator.value)
    train_recipe(resolved, output or Path("runs") / name, distributed=distributed)
