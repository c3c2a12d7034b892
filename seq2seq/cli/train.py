"""seq2seq train; imports nothing heavy before the command runs."""

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    DeviceName,
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
    device: DeviceName = None,
    devices: Devices = None,
) -> None:
    """Train a recipe or a chain of them; the same command again continues."""
    from seq2seq.recipe.chain import is_chain
    from seq2seq.recipe.loader import read_recipe
    from seq2seq.utils.checksums import CHECKSUM_FILE
    from seq2seq.utils.overwriting import check_overwrites_no_input

    name = Path(recipe).stem if recipe.endswith((".yaml", ".yml")) else recipe
    folder = output or Path("runs") / name
    if is_chain(recipe):
        from seq2seq.cli.train_stages import train_chain

        options = ["--device", device] if device else []
        options += ["--devices", str(devices)] if devices else []
        train_chain(recipe, override or [], folder, options)
        return
    resolved = read_recipe(recipe, override or [])
    with gc_disabled():
        from seq2seq.training.distributed import detect_distributed
        from seq2seq.training.train import train as train_recipe

    if not (folder / CHECKSUM_FILE).exists():  # No run, so its recipe is the user's.
        check_overwrites_no_input([folder / "recipe.yaml"], [Path(recipe)])
    distributed = detect_distributed(devices)
    train_recipe(resolved, folder, device=device or "auto", distributed=distributed)
