"""The network as a whole: gradients everywhere, and equivalences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from seq2seq.data.collate import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.types import BOS, EOS, PAD
from tests.helpers.tiny_models import (
    ALL_CELLS,
    CELLS,
    SOURCES,
    TARGETS,
    V,
    beam,
    exact,
    greedy,
    network,
    whole_sequence,
)

ATTENTIONS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "fixed": {"kind": "fixed"},
    "dot": {"kind": "dot"},
    "general": {"kind": "general"},
    "additive": {"kind": "additive"},
    "num_heads": {"kind": "general", "num_heads": 2},
    "bottom": {"kind": "additive", "num_heads": 2, "architecture": "gnmt"},
    "fed": {"kind": "general", "input_feeding": True},
    "fed bottom": {"kind": "dot", "architecture": "gnmt", "input_feeding": True},
}
SHAPES = list(itertools.product([True, False], [1, 2], ["linear", "copy"]))
# The cell of the other side where the bridge can join the two.
OTHER_CELL = {
    "rnn": "lstm",
    "gru": "rnn",
    "lstm": "min_gru",
    "min_gru": "min_lstm",
    "min_lstm": "gru",
}


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_shape_learns_and_decodes(cell: str, attention: str) -> None:
    for both, layers, bridge in SHAPES:
        if "bottom" in attention and layers == 1:
            continue
        model = network(
            encoder={
                "cell": cell,
                "layers": layers,
                "bidirectional": both,
                "hidden_size": 4 if both else 8,
            },
            decoder={
                "cell": cell if bridge == "copy" else OTHER_CELL[cell],
                "layers": layers,
                "hidden_size": 8,
            },
            attention=ATTENTIONS[attention],
            bridge=bridge,
            dropout=0.1,
        )
        learns_and_decodes(model)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["none", "fixed", "bottom", "fed"])
def test_every_extra_learns_and_decodes(cell: str, attention: str) -> None:
    shape = {"cell": cell, "layers": 3, "residual": True}
    shape |= {"layer_norm": True, "recurrent_dropout": 0.2}
    looks = dict(ATTENTIONS[attention])
    if attention in ("bottom", "fed"):
        looks["coverage_loss_weight"] = 0.5
    model = network(
        encoder={**shape, "hidden_size": 4},
        decoder={**shape, "hidden_size": 8},
        attention=looks,
        dropout=0.1,
        locked_dropout=attention != "fed",
        word_dropout=0.1,
    )
    learns_and_decodes(model)


def attentive(cell: str, attention: str) -> EncoderDecoder:
    """Two layers a side, of shapes that every attention can compare."""
    return exact(
        encoder={"cell": cell, "layers": 2, "hidden_size": 4},
        decoder={"cell": cell, "layers": 2, "hidden_size": 8},
        attention=ATTENTIONS[attention],
    )


def learns_and_decodes(model: EncoderDecoder) -> None:
    batch = collate(SOURCES, TARGETS)
    loss = model(batch, smoothing=0.1)
    assert math.isfinite(loss.loss.item())
    assert not loss.nll.requires_grad
    # Near log V per token: an untrained model should know nothing.
    assert loss.nll.item() / batch.num_tokens == pytest.approx(math.log(V), rel=0.5)
    loss.loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name

    model.eval()
    for hypothesis in greedy(model, batch):
        assert len(hypothesis.tokens) <= 12
    found = beam(model, batch, size=3, hypotheses=2)
    assert len(found) == len(SOURCES)
    for hypothesis in itertools.chain.from_iterable(found):
        assert not {PAD, BOS, EOS} & set(hypothesis.tokens)
        assert math.isfinite(hypothesis.score)


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_one_step_at_a_time_equals_the_whole_sequence(
    cell: str, attention: str
) -> None:
    model = attentive(cell, attention)
    batch = collate(SOURCES, TARGETS)
    whole = whole_sequence(model, batch)
    with torch.no_grad():
        state, memory = model.init_decoder(
            model.encoder(batch.source, batch.source_lengths)
        )
        last_state = model.decoder(batch.inputs, state, memory).state
        for position in range(batch.inputs.shape[1]):
            said = model.step(batch.inputs[:, position], state, memory)
            log_probs, state = said.log_probs, said.state
            assert log_probs.shape == (len(SOURCES), V)
            # The search works in single precision.
            torch.testing.assert_close(
                log_probs.double(), whole[:, position], rtol=1e-5, atol=1e-5
            )
    for part, expected in zip(state.hidden, last_state.hidden, strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_losses_of_a_padded_batch_are_those_of_each_sentence(
    cell: str, attention: str
) -> None:
    model = attentive(cell, attention)
    with torch.no_grad():
        loss = model(collate(SOURCES, TARGETS), smoothing=0.1)
        losses = [
            model(collate([source], [target]), smoothing=0.1)
            for source, target in zip(SOURCES, TARGETS, strict=True)
        ]
    assert loss.loss.item() == pytest.approx(sum(x.loss.item() for x in losses))
    assert loss.nll.item() == pytest.approx(sum(x.nll.item() for x in losses))


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_a_padded_batch_equals_each_sentence_alone(
    cell: str, both: bool, reverse: bool
) -> None:
    model = exact(
        encoder={
            "cell": cell,
            "layers": 2,
            "bidirectional": both,
            "reverse_source": reverse,
        }
    )
    batch = collate(SOURCES, TARGETS)
    losses = []
    with torch.no_grad():
        together = model.encoder(batch.source, batch.source_lengths)
        for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            single = collate([source], [target])
            length = len(source) + 1
            alone = model.encoder(single.source, single.source_lengths)
            torch.testing.assert_close(together.states[row, :length], alone.states[0])
            assert not together.states[row, length:].any()
            assert together.mask[row].tolist() == [
                position < length for position in range(batch.source.shape[1])
            ]
            for part, expected in zip(
                together.final_state, alone.final_state, strict=True
            ):
                torch.testing.assert_close(part[row], expected[0])
            losses.append(model(single, smoothing=0.1))
        loss = model(batch, smoothing=0.1)
    assert loss.loss.item() == pytest.approx(sum(x.loss.item() for x in losses))
    assert loss.nll.item() == pytest.approx(sum(x.nll.item() for x in losses))


@pytest.mark.parametrize("both", [True, False])
def test_padding_never_reaches_the_loss(both: bool) -> None:
    model = exact(encoder={"bidirectional": both})
    batch = collate(SOURCES, TARGETS)
    wider = batch._replace(
        source=F.pad(batch.source, (0, 3), value=PAD),
        inputs=F.pad(batch.inputs, (0, 2), value=PAD),
        targets=F.pad(batch.targets, (0, 2), value=PAD),
    )
    with torch.no_grad():
        expected = model(batch).loss.item()
        assert model(wider).loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_beam_of_one_is_greedy_search(cell: str, attention: str) -> None:
    model = attentive(cell, attention)
    batch = collate(SOURCES, TARGETS)
    for [narrow], best in zip(
        beam(model, batch, size=1), greedy(model, batch), strict=True
    ):
        assert narrow.tokens == best.tokens
        assert narrow.log_prob == pytest.approx(best.log_prob)
        assert narrow.finished == best.finished


@pytest.mark.parametrize("cell", ALL_CELLS)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_beam_score_is_the_teacher_forced_score(cell: str, attention: str) -> None:
    model = attentive(cell, attention)
    found = beam(model, collate(SOURCES, TARGETS), size=4, hypotheses=4)
    checked = 0
    for source, hypotheses in zip(SOURCES, found, strict=True):
        for hypothesis in hypotheses:
            single = collate([source], [hypothesis.tokens])
            length = len(hypothesis.tokens) + hypothesis.finished
            log_probs = whole_sequence(model, single)[0, :length]
            ids = single.targets[0, :length, None]
            expected = log_probs.gather(1, ids).sum().item()
            assert hypothesis.log_prob == pytest.approx(expected, abs=1e-4)
            assert hypothesis.score == pytest.approx(expected / length**0.7, abs=1e-4)
            checked += 1
    assert checked >= 2 * len(SOURCES)


def test_a_tiny_model_learns_to_copy() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(4, 12, (32, 4), generator=draw).tolist()
    model = network(
        embedding_size=16,
        encoder={"hidden_size": 24, "bidirectional": True},
        decoder={"hidden_size": 48},
        attention={"kind": "fixed"},
    )
    batch = collate(rows, rows)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        (model(batch).loss / batch.num_tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    found = greedy(model, batch)
    assert [list(hypothesis.tokens) for hypothesis in found] == rows
    assert all(hypothesis.finished for hypothesis in found)


@pytest.mark.parametrize("kind", ["none", "general"])
@pytest.mark.parametrize("cell", CELLS)
def test_truncated_gradients_come_back_from_so_many_positions(
    cell: str, kind: str
) -> None:
    changes = {"encoder": {"cell": cell}, "decoder": {"cell": cell, "layers": 2}}
    model = exact(**changes, attention={"kind": kind})
    batch = collate(SOURCES, TARGETS)

    def slopes(truncate: int | None) -> tuple[torch.Tensor, ...]:
        found = model.forward_decoder(batch, truncate=truncate)
        # What the fourth position says, by what every position read.
        read = model.decoder.embedding.weight
        return torch.autograd.grad(found.features[:, 3].sum(), read)

    whole = model.forward_decoder(batch)
    for truncate in (1, 3, 100):
        torch.testing.assert_close(
            model.forward_decoder(batch, truncate=truncate), whole
        )
    torch.testing.assert_close(slopes(100), slopes(None))
    # The sentence of six positions reads another piece at each of the first four.
    pieces = batch.inputs[1, :4]
    assert len(set(pieces.tolist())) == 4
    reached = [slopes(truncate)[0][pieces].abs().sum(1) > 0 for truncate in (None, 2)]
    assert reached[0].all()
    assert reached[1].tolist() == [False, False, True, True]
