"""Gradient norms over time as a table and as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from seq2seq.evaluation.gradient_flow import GradientFlow
from seq2seq.evaluation.small_multiples import PanelRow, plot_panels, svg_document
from seq2seq.utils.console import print_hint, print_table

LIMITS = (1e-12, 1e8)
CELLS = {"rnn": "tanh", "lstm": "LSTM", "gru": "GRU"}


def print_gradients(flows: Sequence[GradientFlow], console: Console) -> None:
    """Print norms a twentieth, half and all of the way back."""
    steps = len(flows[0].hidden_norms) - 1
    back = (steps // 20, steps // 2, steps)
    columns = ("layer", "state", "matrix", "inputs", "step", "rms")
    rows = []
    for flow in flows:
        numbers = (flow.singular_value, flow.input_scale)
        settings = [f"{number:g}" for number in numbers]
        settings += [f"{flow.step_singular_value:.2f}", f"{flow.step_rms:.2f}"]
        norms = {"h": flow.hidden_norms}
        if flow.cell_norms is not None:
            norms["c"] = flow.cell_norms
        for state, values in norms.items():
            cells = [f"{values[count]:.2g}" for count in back]
            rows.append((_name(flow), state, *settings, *cells))
    numeric = (*columns[2:], *(f"{count} back" for count in back))
    title = "Norm of the gradient by an earlier state, that by the last one being 1"
    print_table(console, title, (*columns[:2], *numeric), rows, numeric=numeric)
    print_hint(
        "matrix: singular value of the recurrent matrix; inputs: their standard "
        "deviation\nstep: largest singular value of a step's Jacobian, which for tanh "
        "is diag(1 - h^2) W; rms: root mean square of all of them"
    )


def gradient_figure(flows: Sequence[GradientFlow]) -> str:
    """Draw the norms as SVG: tanh layers above, layers with gates below."""
    scales = sorted({flow.input_scale for flow in flows})
    panels = [
        [flow for flow in flows if flow.input_scale == input_scale]
        for input_scale in scales
    ]
    tanh = [[flow for flow in panel if flow.cell == "rnn"] for panel in panels]
    gated = [
        [flow for flow in panel if flow.cell != "rnn" and flow.singular_value == 1]
        for panel in panels
    ]
    rows = [
        PanelRow(
            "tanh: |dL/dh|",
            [f"singular value {flow.singular_value:g}" for flow in tanh[0]],
            [[flow.hidden_norms for flow in panel] for panel in tanh],
        ),
        PanelRow(
            "LSTM: |dL/dc|, GRU: |dL/dh|",
            [_name(flow) for flow in gated[0]],
            [[flow.cell_norms or flow.hidden_norms for flow in p] for p in gated],
        ),
    ]
    svg = plot_panels(
        rows,
        [f"inputs of standard deviation {input_scale:g}" for input_scale in scales],
        xlabel="steps back from the loss",
        limits=LIMITS,
        alt="Norms of gradients by the number of steps that they flow back",
    )
    return svg_document(svg)


def _name(flow: GradientFlow) -> str:
    chrono = "" if flow.chrono_span is None else f", chrono {flow.chrono_span}"
    return f"{CELLS[flow.cell]}{chrono}"
