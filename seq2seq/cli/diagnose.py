"""seq2seq diagnose gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.verbs import add_verb, new_group
from seq2seq.errors import UserError

diagnose = new_group("Measure what recurrent layers do, without a run.")


def diagnose_gradients(
    steps: Annotated[
        int, typer.Option(min=20, help="Steps over which gradients flow back.")
    ] = 200,
    seed: Annotated[int, typer.Option(help="Seed of weights and inputs.")] = 1,
    output: Annotated[
        Path | None, typer.Option(help="Figure to write as well: .svg.")
    ] = None,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how gradients of tanh, LSTM and GRU layers vanish or explode.

    Untrained layers of 128 units over random inputs, with and without chrono
    initialisation over the steps. The loss depends on the last state alone.
    """
    if output is not None and output.suffix != ".svg":
        raise UserError(f"{output}: the figure's name must end in .svg.")
    import torch

    from seq2seq.evaluation.gradient_flow import gradient_flows

    torch.set_num_threads(1)  # Steps are small: threads would wait for one another.
    flows = list(gradient_flows(steps, seed=seed))
    if output is not None:
        from seq2seq.evaluation.gradient_report import gradient_figure
        from seq2seq.utils.files import atomic_file

        with atomic_file(output) as file:
            file.write(gradient_figure(flows).encode())
    if json:
        from dataclasses import asdict
        from json import dumps

        print(dumps([asdict(flow) for flow in flows]))
        return
    from seq2seq.evaluation.gradient_report import print_gradients
    from seq2seq.utils.console import make_console

    print_gradients(flows, make_console())
    if output is not None:
        print(f"written: {output}")


add_verb(diagnose, diagnose_gradients, "diagnose")
