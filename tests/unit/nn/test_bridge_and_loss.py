"""Parts of the network: bridges, tied embeddings, reversed sources and the loss."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from seq2seq.data.collate import collate
from seq2seq.nn.bridge import CopyBridge
from seq2seq.nn.loss import cross_entropy
from tests.helpers.tiny_models import CELLS, SOURCES, TARGETS, V, exact, greedy, network


@pytest.mark.parametrize("cell", CELLS)
def test_a_copy_bridge_hands_the_final_state_over(cell: str) -> None:
    model = exact(
        encoder={"cell": cell, "layers": 2, "hidden_size": 3, "bidirectional": True},
        decoder={"cell": cell, "layers": 2, "hidden_size": 6},
        bridge="copy",
    )
    assert isinstance(model.bridge, CopyBridge)
    batch = collate(SOURCES, TARGETS)
    with torch.no_grad():
        encoded = model.encoder(batch.source, batch.source_lengths)
        state, _ = model.init_decoder(encoded)
        assert math.isfinite(model(batch).loss.item())
    assert len(state.hidden) == (2 if cell == "lstm" else 1)
    for part, expected in zip(state.hidden, encoded.final_state, strict=True):
        assert torch.equal(part, expected)
    greedy(model, batch)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ({"hidden_size": 6, "bidirectional": True}, {"hidden_size": 6}),
        ({"hidden_size": 6, "layers": 2, "bidirectional": False}, {"hidden_size": 6}),
        (
            {"hidden_size": 6, "cell": "lstm", "bidirectional": False},
            {"hidden_size": 6},
        ),
    ],
)
def test_a_copy_bridge_between_unequal_shapes_is_refused(
    encoder: dict[str, Any], decoder: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match="copy needs equal shapes"):
        network(encoder=encoder, decoder=decoder, bridge="copy")


def test_a_linear_bridge_fits_any_shapes() -> None:
    for first, second in itertools.product(CELLS, CELLS):
        model = network(
            encoder={"cell": first, "layers": 3, "bidirectional": True},
            decoder={"cell": second, "layers": 2, "hidden_size": 5},
        )
        batch = collate(SOURCES, TARGETS)
        state, _ = model.init_decoder(model.encoder(batch.source, batch.source_lengths))
        assert len(state.hidden) == (2 if second == "lstm" else 1)
        assert {part.shape for part in state.hidden} == {(len(SOURCES), 2, 5)}


@pytest.mark.parametrize("tie", ["none", "decoder", "all"])
def test_tied_embeddings_are_one_matrix(tie: str) -> None:
    model = network(tie_embeddings=tie)
    read, written = model.decoder.embedding.weight, model.decoder.output_layer.weight
    assert (written is read) == (tie != "none")
    assert (model.encoder.embedding.weight is read) == (tie == "all")
    names = [name for name, _ in model.named_parameters()]
    tables = [
        n for n in names if "embedding" in n or n == "decoder.output_layer.weight"
    ]
    assert len(tables) == {"none": 3, "decoder": 2, "all": 1}[tie]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [True, False])
def test_reverse_source_equals_reading_the_reversed_source(
    cell: str, both: bool
) -> None:
    shape = {"cell": cell, "layers": 2, "bidirectional": both}
    forwards = exact(encoder=shape)
    backwards = exact(encoder={**shape, "reverse_source": True})
    backwards.load_state_dict(forwards.state_dict())
    batch = collate(SOURCES, TARGETS)
    mirrored = batch.source.clone()
    lengths = batch.source_lengths.tolist()
    for row, length in enumerate(lengths):
        mirrored[row, :length] = batch.source[row, :length].flip(0)
    with torch.no_grad():
        found = backwards.encoder(batch.source, batch.source_lengths)
        expected = forwards.encoder(mirrored, batch.source_lengths)
    for part, other in zip(found.final_state, expected.final_state, strict=True):
        torch.testing.assert_close(part, other)
    for row, length in enumerate(lengths):
        flipped = expected.states[row, :length].flip(0)
        torch.testing.assert_close(found.states[row, :length], flipped)
        assert not found.states[row, length:].any()
    assert torch.equal(found.mask, expected.mask)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_equals_torchs_cross_entropy(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(30, V), torch.randint(V, (30,))
    loss = cross_entropy(logits, targets, smoothing=smoothing)
    expected = F.cross_entropy(
        logits, targets, label_smoothing=smoothing, reduction="sum"
    )
    torch.testing.assert_close(loss.loss, expected)
    torch.testing.assert_close(
        loss.nll, F.cross_entropy(logits, targets, reduction="sum")
    )


def test_losses_add_up_over_batches() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(30, V), torch.randint(V, (30,))
    whole = cross_entropy(logits, targets, smoothing=0.2)
    for cut in (1, 10, 29):
        first = cross_entropy(logits[:cut], targets[:cut], smoothing=0.2)
        second = cross_entropy(logits[cut:], targets[cut:], smoothing=0.2)
        torch.testing.assert_close(first.loss + second.loss, whole.loss)
        torch.testing.assert_close(first.nll + second.nll, whole.nll)


@pytest.mark.parametrize("smoothing", [1.0, -0.1, math.nan])
def test_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"must be at least 0 and below 1\.$"):
        cross_entropy(torch.zeros(1, V), torch.zeros(1).long(), smoothing=smoothing)
