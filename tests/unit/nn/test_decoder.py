"""Dropout of the decoder: on everything that a layer above reads."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.nn.decoder import Decoder
from tests.helpers.tiny_models import SOURCES, TARGETS, network

RATE = 0.5


def inputs_of_layers(decoder: Decoder) -> dict[str, Tensor]:
    """Record what each part of the decoder reads, by name."""
    read: dict[str, Tensor] = {}

    def record(name: str, value: Tensor) -> None:
        read[name] = value.detach()

    assert decoder.top_rnn is not None
    decoder.bottom_rnn.register_forward_pre_hook(
        lambda module, args: record("bottom layers", args[0])
    )

    def top(module: Any, args: Any, kwargs: Any) -> None:
        record("top layers", args[0])
        record("context of the top layers", kwargs["extra_input"])

    decoder.top_rnn.register_forward_pre_hook(top, with_kwargs=True)
    decoder.readout.register_forward_pre_hook(
        lambda module, args: record("readout", args[0])
    )
    decoder.register_forward_hook(
        lambda module, args, output: record("output layer", output.features)
    )
    return read


@pytest.mark.parametrize("training", [True, False])
def test_half_of_what_every_part_of_a_decoder_reads_is_dropped_in_training(
    training: bool,
) -> None:
    model = network(
        encoder={"hidden_size": 32},
        decoder={"layers": 2, "hidden_size": 64},
        embedding_size=32,
        attention={"kind": "additive", "architecture": "gnmt"},
        dropout=RATE,
    ).train(training)
    read = inputs_of_layers(model.decoder)
    model(collate(SOURCES, TARGETS))
    zeros = {name: float((value == 0).float().mean()) for name, value in read.items()}
    assert len(zeros) == 5
    for name, share in zeros.items():
        if training:
            assert 0.35 < share < 0.65, name
        else:
            assert share < 0.05, name
