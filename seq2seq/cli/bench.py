"""seq2seq bench: train, translate. Knows arguments and JSON lines.

Imports nothing heavy before a verb runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Accelerator,
    AcceleratorName,
    Beam,
    Devices,
    EngineName,
    EngineOption,
    Overrides,
    RecipeName,
    RunPath,
    ShortList,
)
from seq2seq.errors import UserError

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

    from seq2seq.recipe.loader import read_recipe

    resolved = read_recipe(recipe, override or [])
    import torch

    from seq2seq.benchmark.train import bench_training
    from seq2seq.training.distributed import detect_distributed

    if threads is not None:
        torch.set_num_threads(threads)
    ranks = detect_distributed(devices, accelerator.value)
    line = bench_training(resolved, steps=steps, ranks=ranks)
    if ranks.is_main:
        print(json.dumps(line))


@bench.command("translate")
def bench_translate(
    run: RunPath,
    split: Annotated[str, typer.Option(help="What to translate.")] = "test",
    data_path: Annotated[
        str | None, typer.Option(help="Where the data is, if not where it was.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="A file instead.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Its translations.")] = None,
    beam: Beam = None,
    batch: Annotated[int, typer.Option(min=1, help="Sentences in a batch.")] = 128,
    min_length: Annotated[
        int | None, typer.Option(min=1, help="Force so many pieces at least.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Force so many pieces at most.")
    ] = None,
    engine: EngineOption = EngineName.torch,
    shortlist: ShortList = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to compute with. [torch's]")
    ] = None,
) -> None:
    """Translate a split once; print rates, start-up, memory and BLEU as JSON."""
    if (min_length is None) != (max_length is None):
        raise UserError("--min-length and --max-length belong together; give both.")
    if (source is None) != (reference is None):
        raise UserError("--source and --reference belong together; give both.")

    import json

    import torch

    from seq2seq.benchmark.translate import LengthRange
    from seq2seq.benchmark.translate import bench_translate as measured

    if threads is not None:
        torch.set_num_threads(threads)
    lengths = None
    if min_length is not None and max_length is not None:
        lengths = LengthRange(min_length, max_length)
    files = None
    if source is not None and reference is not None:
        files = (source, reference)
    found = measured(
        run,
        split=split,
        data_path=data_path,
        files=files,
        engine=engine.value,
        shortlist=shortlist,
        beam_size=beam,
        batch=batch,
        lengths=lengths,
    )
    print(json.dumps(found))
