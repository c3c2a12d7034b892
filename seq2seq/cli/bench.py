"""seq2seq bench train, seq2seq bench translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import (
    Beam,
    DataPath,
    DeviceName,
    Devices,
    EngineOption,
    Overrides,
    RecipeName,
    RunPath,
    ShortList,
    Split,
    TargetLanguage,
    choose_device,
)
from seq2seq.cli.verbs import add_verb, new_group
from seq2seq.errors import UserError

bench = new_group("Measure the speed of training or translation on this machine.")


def bench_train(
    recipe: RecipeName,
    override: Overrides = None,
    steps: Annotated[
        int, typer.Option(help="Optimizer steps; the first 5 are not measured.")
    ] = 30,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads.", show_default="torch's choice"),
    ] = None,
    device: DeviceName = None,
    devices: Devices = None,
) -> None:
    """Train some steps by the full training loop; print speed as one line of JSON."""
    import json

    from seq2seq.recipe.loader import read_recipe

    resolved = read_recipe(recipe, override or [])
    import torch

    from seq2seq.benchmark.train import bench_training
    from seq2seq.training.distributed import detect_distributed

    if threads is not None:
        torch.set_num_threads(threads)
    ranks = detect_distributed(devices)
    line = bench_training(resolved, steps=steps, device=device or "auto", ranks=ranks)
    if ranks.is_main:
        print(json.dumps(line))


def bench_translate(
    run: RunPath,
    to: TargetLanguage = None,
    split: Split = "test",
    data_path: DataPath = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help="File of source sentences, one per line, instead of --split."
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="File of reference translations, one per line.")
    ] = None,
    beam: Beam = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Maximal number of sentences in a batch.")
    ] = 128,
    min_length: Annotated[
        int | None,
        typer.Option(min=1, help="Force translations of at least so many tokens."),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(min=1, help="Force translations of at most so many tokens."),
    ] = None,
    engine: EngineOption = "torch",
    shortlist: ShortList = None,
    device: DeviceName = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads.", show_default="torch's choice"),
    ] = None,
) -> None:
    """Translate a split once; print rates, start-up, memory and BLEU as JSON."""
    if (min_length is None) != (max_length is None):
        raise UserError("--min-length and --max-length belong together; give both.")
    if (source is None) != (reference is None):
        raise UserError("--source and --reference belong together; give both.")

    import json

    import torch

    from seq2seq.benchmark import translate

    if threads is not None:
        torch.set_num_threads(threads)
    lengths = None
    if min_length is not None and max_length is not None:
        lengths = translate.LengthRange(min_length, max_length)
    files = None
    if source is not None and reference is not None:
        files = (source, reference)
    line = translate.bench_translate(
        run,
        split=split,
        data_path=data_path,
        files=files,
        engine=engine,
        shortlist=shortlist,
        device=choose_device(device, engine=engine, shortlist=shortlist),
        beam_size=beam,
        batch_size=batch_size,
        lengths=lengths,
        to=to,
    )
    print(json.dumps(line))


for verb in (bench_train, bench_translate):
    add_verb(bench, verb, "bench")
