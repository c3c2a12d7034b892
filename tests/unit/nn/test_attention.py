"""Attention: its weights, what it reads, and that it learns to align."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.attention import Attention, coverage_loss
from seq2seq.recipe import ModelOptions
from seq2seq.types import PAD, AttentionMemory, Batch
from tests.helpers.tiny_models import SOURCES, TARGETS, exact, network

KINDS = [
    {"kind": "dot"},
    {"kind": "general"},
    {"kind": "additive"},
    {"kind": "dot", "num_heads": 2},
    {"kind": "general", "num_heads": 4},
    {"kind": "additive", "num_heads": 2},
]


def attend(options: dict[str, Any]) -> tuple[Attention, Tensor, AttentionMemory]:
    torch.manual_seed(0)
    attention = Attention(8, 8, **options).double()
    states = torch.randn(3, 5, 8, dtype=torch.double)
    mask = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    queries = torch.randn(3, 4, 8, dtype=torch.double)
    return (
        attention,
        queries,
        AttentionMemory(attention.compute_keys(states), states, mask),
    )


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_weights_sum_to_one_over_real_positions_only(options: dict[str, Any]) -> None:
    attention, queries, source = attend(options)
    read, weights = attention(queries, source)
    assert read.shape == (3, 4, 8)
    assert weights.shape == (3, 4, 5)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 4, dtype=torch.double))
    assert (weights >= 0).all()
    assert not weights.masked_select(~source.mask[:, None]).any()
    # A sentence of one piece can only be read whole.
    torch.testing.assert_close(read[1], source.values[1, 0].expand(4, 8))


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_padding_is_never_read(options: dict[str, Any]) -> None:
    attention, queries, source = attend(options)
    states = source.values.masked_fill(~source.mask[:, :, None], 1e3)
    found = attention(
        queries, AttentionMemory(attention.compute_keys(states), states, source.mask)
    )
    for one, other in zip(found, attention(queries, source), strict=True):
        torch.testing.assert_close(one, other)


def test_scores_are_those_of_the_papers() -> None:
    for kind in ("dot", "general", "additive"):
        attention, queries, source = attend({"kind": kind})
        _, weights = attention(queries, source)
        query, states = queries[0, 0], source.values[0]
        if kind == "dot":
            scores = [query @ state / math.sqrt(8) for state in states]
        elif kind == "general":
            assert attention.key_projection is not None
            weight = attention.key_projection.weight / math.sqrt(8)
            scores = [query @ weight @ state for state in states]
        else:
            assert attention.key_projection is not None
            assert attention.query_projection is not None
            asked = attention.query_projection(query)
            scores = [
                torch.tanh(asked + attention.key_projection(state))
                @ attention.energy[0, :, 0]
                for state in states
            ]
        expected = torch.softmax(torch.stack(scores), dim=0)
        torch.testing.assert_close(weights[0, 0], expected)


def test_several_heads_read_their_own_parts() -> None:
    attention, queries, source = attend({"kind": "dot", "num_heads": 2})
    read, weights = attention(queries, source)
    means = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = queries[0, 0, part] @ source.values[0, :, part].T / math.sqrt(4)
        each = torch.softmax(scores, dim=0)
        torch.testing.assert_close(read[0, 0, part], each @ source.values[0, :, part])
        means.append(each)
    torch.testing.assert_close(weights[0, 0], torch.stack(means).mean(dim=0))


def test_coverage_counts_what_is_read_again() -> None:
    weights = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]])
    real = torch.tensor([[True, True, True]])
    assert coverage_loss(weights, real).item() == pytest.approx(0 + 0.5 + 0.5)
    assert coverage_loss(weights, real & torch.tensor([True, True, False])) == 0.5


def test_coverage_is_part_of_training_alone() -> None:
    looks = {"kind": "general", "coverage_loss_weight": 2.0}
    model, plain = network(attention=looks), network(attention={"kind": "general"})
    plain.load_state_dict(model.state_dict())
    batch = collate(SOURCES, TARGETS)
    weights = model.forward_decoder(batch).attention
    assert weights is not None
    extra = 2.0 * coverage_loss(weights, batch.targets != PAD).item()
    assert extra > 0
    found, expected = model(batch), plain(batch)
    assert found.loss.item() == pytest.approx(expected.loss.item() + extra, rel=1e-5)
    assert torch.equal(found.nll, expected.nll)
    assert torch.equal(model.eval()(batch).loss, plain.eval()(batch).loss)


@pytest.mark.parametrize("fed", [True, False])
@pytest.mark.parametrize("layer", ["standard", "gnmt"])
def test_a_padded_batch_aligns_as_each_sentence_alone(fed: bool, layer: str) -> None:
    model = exact(
        decoder={"layers": 2},
        attention={"kind": "general", "architecture": layer, "input_feeding": fed},
    )
    with torch.no_grad():
        together = model.forward_decoder(collate(SOURCES, TARGETS)).attention
        assert together is not None
        for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            alone = model.forward_decoder(collate([source], [target])).attention
            assert alone is not None
            rows, columns = len(target) + 1, len(source) + 1
            torch.testing.assert_close(together[row, :rows, :columns], alone[0])


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"attention": {"kind": "dot"}}, "dot compares the encoder's 12 numbers with"),
        (
            {"attention": {"kind": "general", "num_heads": 5}},
            "num_heads is 5, which does not",
        ),
        (
            {"attention": {"kind": "general", "architecture": "gnmt"}},
            "at least 2 layers",
        ),
        (
            {
                "attention": {"kind": "general", "input_feeding": True},
                "locked_dropout": True,
            },
            "cannot lock across steps",
        ),
        (
            {"decoder": {"cell": "min_gru", "layer_norm": True}},
            "has neither layer_norm",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(model: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        network(**model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "looks",
    [
        {"kind": "dot"},
        {"kind": "general"},
        {"kind": "additive"},
        {"kind": "general", "num_heads": 2},
        {"kind": "general", "architecture": "gnmt"},
        {"kind": "additive", "input_feeding": True, "coverage_loss_weight": 0.1},
    ],
    ids=str,
)
def test_attention_learns_to_align(looks: dict[str, Any]) -> None:
    """Say the source backwards in other pieces: piece i stands for place S - 1 - i.

    The encoder is a tanh RNN. States of gated cells hold their neighbours' pieces so
    well that attention may as well read next door, and does.
    """
    torch.manual_seed(0)
    symbols, steps = 28, 700
    options = ModelOptions.model_validate(
        {
            "embedding_size": 32,
            "encoder": {"cell": "rnn", "layers": 1, "hidden_size": 16},
            "decoder": {
                "layers": 2 if "architecture" in looks else 1,
                "hidden_size": 32,
            },
            "attention": looks,
            "dropout": 0.0,
        }
    )
    pieces = 4 + 2 * symbols
    model = EncoderDecoder(options, source_vocab_size=pieces, target_vocab_size=pieces)
    draw = torch.Generator().manual_seed(0)

    def batch(count: int) -> tuple[Batch, list[int]]:
        lengths = torch.randint(3, 10, (count,), generator=draw).tolist()
        sources = [
            torch.randperm(symbols, generator=draw)[:length].add(4).tolist()
            for length in lengths
        ]
        said = [[piece + symbols for piece in reversed(source)] for source in sources]
        return collate(sources, said), lengths

    optimizer = torch.optim.Adam(model.parameters())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / steps)
        learned, _ = batch(48)
        optimizer.zero_grad()
        (model(learned).loss / learned.num_tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    unseen, lengths = batch(200)
    with torch.no_grad():
        weights = model.forward_decoder(unseen).attention
    assert weights is not None
    right = 0
    for row, length in enumerate(lengths):
        truth = torch.arange(length - 1, -1, -1)
        right += int((weights[row, :length].argmax(dim=1) == truth).sum())
    assert right / sum(lengths) >= 0.99
