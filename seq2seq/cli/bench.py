"""seq2seq bench: how fast this machine is. Knows arguments and JSON lines."""

from __future__ import annotations

from typing import Annotated

import typer

from seq2seq.cli.options import (
    Accelerator,
    AcceleratorName,
    Devices,
    Overrides,
    RecipeName,
)

bench = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


@bench.command("train")
def bench_train(
    recipe: RecipeName,
    override: Overrides = None,
    steps: Annotated[int, typer.Option(help="Optimizer steps, 5 to warm up.")] = 30,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a CPU. [torch's choice]")
    ] = None,
    devices: Devices = None,
    accelerator: AcceleratorName = Accelerator.AUTO,
) -> None:
    """Train some steps with everything that a training has; print one line of JSON."""
    import json

    from seq2seq.recipe_file import read_recipe

    resolved = read_recipe(recipe, override or [])
    import torch

    from seq2seq.bench.train import bench_training
    from seq2seq.ranks import find_ranks

    if threads is not None:
        torch.set_num_threads(threads)
    ranks = find_ranks(devices, accelerator.value)
    line = bench_training(resolved, steps=steps, ranks=ranks)
    if ranks.first:
        print(json.dumps(line))
