"""The gates of all recurrent layers of a network, recorded while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.gates import recompute_gates


def recurrent_layers(network: EncoderDecoder) -> dict[str, Any]:
    """Name the recurrent layers, from the bottom up: encoder.1, ..., decoder.1, ..."""
    decoder = network.decoder
    sides = {
        "encoder": list(network.encoder.rnn.layers),
        "decoder": [
            *decoder.bottom_rnn.layers,
            *(() if decoder.top_rnn is None else decoder.top_rnn.layers),
        ],
    }
    return {
        f"{side}.{number}": layer
        for side, layers in sides.items()
        for number, layer in enumerate(layers, 1)
    }


@contextmanager
def record_gates(
    network: EncoderDecoder,
) -> Iterator[dict[str, list[dict[str, Tensor]]]]:
    """Record the gates of every layer within the block, call by call."""
    layers = recurrent_layers(network)
    recorded: dict[str, list[dict[str, Tensor]]] = {name: [] for name in layers}

    def record(calls: list[dict[str, Tensor]]) -> Callable[[Any, Any, Any], None]:
        def hook(layer: Any, arguments: Any, outputs: Any) -> None:
            inputs, state, lengths = arguments
            positions = torch.arange(inputs.shape[1])
            mask = None if lengths is None else positions < lengths[:, None]
            calls.append(
                recompute_gates(
                    layer,
                    inputs,
                    outputs[0],
                    None if mask is None else mask.to(inputs.device),
                    first=None if state is None else state[0],
                )
            )

        return hook

    handles = [
        layer.register_forward_hook(record(recorded[name]))
        for name, layer in layers.items()
    ]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()
