"""What a GPU punishes, tested without one: training never waits for the device.

Tensors on torch's meta device have no values, so whatever would wait for one raises,
and so do operations on tensors of two devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from seq2seq.data.collate import collate
from seq2seq.nn import loss
from seq2seq.nn.loss import chunked_cross_entropy
from seq2seq.nn.rnn_fused import FusedRNNLayer
from seq2seq.search.sampling import exponential_noise
from tests.helpers.tiny_models import CELLS, SOURCES, TARGETS, network

META = torch.device("meta")


class BlockingCopies(TorchFunctionMode):
    """Counts copies from the host for which it waits until a GPU has caught up."""

    count = 0

    def __torch_function__(
        self,
        function: Any,
        types: Iterable[type],
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        options = options or {}
        result = function(*arguments, **options)
        name = getattr(function, "__name__", "")
        if isinstance(result, Tensor) and result.device == META:
            source = arguments[0] if arguments else None
            from_host = isinstance(source, Tensor) and source.device.type == "cpu"
            moved = name in {"to", "cuda"} and not options.get("non_blocking")
            made = name in {"tensor", "as_tensor"}
            self.count += (from_host and moved) or made
        return result


ATTENTION: list[dict[str, Any]] = [
    {"attention": {"kind": "none"}},
    {"attention": {"kind": "fixed"}},
    {"attention": {"kind": "general", "input_feeding": True}},
    {"attention": {"kind": "additive"}, "word_dropout": 0.1},
    {"attention": {"kind": "dot"}, "decoder": {"hidden_size": 12}, "dropout": 0.3},
    {
        "attention": {"kind": "general", "coverage_loss_weight": 1.0},
        "locked_dropout": True,
        "dropout": 0.3,
    },
]


def train_step(model: Any) -> None:
    batch = collate(SOURCES, TARGETS).to(META)
    output = model(batch, smoothing=0.1)
    (output.loss / batch.num_tokens).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)


@pytest.mark.parametrize("changes", ATTENTION, ids=str)
def test_a_training_step_never_waits_for_the_device(changes: dict[str, Any]) -> None:
    model = network(**changes).to(META)
    with BlockingCopies() as copies:
        train_step(model)
    assert copies.count == 0
    assert all(p.grad is not None for p in model.decoder.parameters())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_no_cell_waits_for_the_device(cell: str, layer_norm: bool) -> None:
    encoder = {"cell": cell, "layers": 2, "layer_norm": layer_norm}
    sides = {"encoder": {**encoder, "bidirectional": True}, "decoder": encoder}
    model = network(**sides, dropout=0.2).to(META)
    with BlockingCopies() as copies:
        train_step(model)
    assert copies.count == 0


def test_blocking_copies_are_counted() -> None:
    host = torch.zeros(2)
    with BlockingCopies() as copies:
        host.to(META)
        host.to(META, non_blocking=True)
        torch.tensor(1, device=META)
    assert copies.count == 2


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_packing_equals_torchs_own(monkeypatch: pytest.MonkeyPatch, cell: str) -> None:
    torch.manual_seed(1)
    layer = FusedRNNLayer(3, 4, cell=cell, bidirectional=True)
    inputs, lengths = torch.randn(5, 6, 3), torch.tensor([2, 6, 1, 4, 2])
    state = tuple(torch.randn(5, 8) for _ in range(layer.num_components))
    outputs, final = layer(inputs, state, lengths)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        inputs, lengths, batch_first=True, enforce_sorted=False
    )
    expected, expected_final = layer.rnn(packed, layer._to_torch(state))
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    assert torch.equal(outputs, padded)
    for mine, theirs in zip(final, layer._from_torch(expected_final), strict=True):
        assert torch.equal(mine, theirs)


def test_samplings_noise_is_drawn_without_a_copy() -> None:
    with BlockingCopies() as copies:
        exponential_noise(torch.zeros(3, dtype=torch.int64, device=META), 2, 7)
    assert copies.count == 0


def test_a_gpu_gets_larger_chunks_of_the_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loss, "CHUNK", 40)
    monkeypatch.setattr(loss, "GPU_CHUNK", 400)
    products: list[int] = []
    linear = F.linear

    def counted(rows: Tensor, *rest: Any) -> Tensor:
        products.append(len(rows))
        return linear(rows, *rest)

    monkeypatch.setattr(F, "linear", counted)
    for device in (torch.device("cpu"), META):
        layer = torch.nn.Linear(3, 20).to(device)
        targets = torch.full((8,), 5, device=device)
        chunked_cross_entropy(torch.zeros(8, 3, device=device), layer, targets)
    assert products == [2, 2, 2, 2, 8]
