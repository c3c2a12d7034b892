"""Gate activations of a network over a source segment and its translation, as JSON."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.gate_recording import record_gates
from seq2seq.types import Hypothesis

NUM_UNITS = 8
"""Units of each gate: those that vary most."""

DIGITS = 3


def gate_activations(
    network: EncoderDecoder, source: Sequence[int], hypothesis: Hypothesis
) -> list[dict[str, Any]]:
    """Return the gates of every layer while a translation is generated.

    The decoder reads the hypothesis as in training (teacher forcing), so its gates are
    those of the search. Modules are copied and weights shared, so that threads that
    compute with the network meanwhile are not recorded.

    Args:
        network: The network.
        source: Source token ids, without EOS.
        hypothesis: Its translation.

    Returns:
        Of each layer, from the bottom up, and each of its gates: the layer's name; the
        side whose tokens its positions are, source or target, EOS at the end unless
        the hypothesis was cut; the gate's name; at each position the mean over the
        units; and the activations of the units that vary most.
    """
    shared = chain(network.parameters(), network.buffers())
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in shared})
    device = next(network.parameters()).device
    batch = collate([source], [hypothesis.tokens]).to(device)
    with torch.inference_mode(), record_gates(twin) as recorded:
        twin.forward_decoder(batch)
    gates = []
    for layer, calls in recorded.items():
        side = "source" if layer.startswith("encoder") else "target"
        for name in calls[0]:
            # Several calls where input feeding has time pass step by step.
            values = torch.cat([call[name] for call in calls], dim=1)[0]  # (T, H)
            if side == "source" and network.encoder.reverse:
                values = values.flip(0)
            if side == "target" and not hypothesis.finished:
                values = values[:-1]
            gates.append(
                {"layer": layer, "side": side, "gate": name} | _summary(values)
            )
    return gates


def _summary(values: Tensor) -> dict[str, Any]:
    """Summarise activations, (T, H): their means, and the units that vary most."""
    values = values.float().cpu()
    variances = values.var(dim=0, correction=0)  # (H,)
    units = variances.argsort(descending=True, stable=True)[:NUM_UNITS].tolist()
    return {
        "mean": _rounded(values.mean(dim=1)),
        "units": [
            {"unit": unit, "values": _rounded(values[:, unit])} for unit in units
        ],
    }


def _rounded(values: Tensor) -> list[float]:
    return [round(value, DIGITS) for value in values.tolist()]
