"""Steps on prepacked weights equal the network's own steps."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.engines import engine, factory, prepacked_decoder
from seq2seq.engines.engine import TorchEngine, make_step_network
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.translate import Translator
from tests.helpers.runs import make_run
from tests.helpers.tiny_models import SOURCES, network
from tests.helpers.translate_cli import LINES

DECODER = {"layers": 2, "hidden_size": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "rnn": {"decoder": {**DECODER, "cell": "rnn"}},
    "gru": {"decoder": {**DECODER, "cell": "gru"}},
    "lstm, residual": {"decoder": {**DECODER, "cell": "lstm", "residual": True}},
    "min_gru": {"decoder": {**DECODER, "cell": "min_gru"}},
    "normalised": {"decoder": {**DECODER, "layer_norm": True}},
    "fixed": {"attention": {"kind": "fixed"}},
    "additive": {"attention": {"kind": "additive"}},
    "fed": {"attention": {"kind": "general", "input_feeding": True}},
    "bottom": {
        "decoder": DECODER,
        "attention": {"kind": "general", "architecture": "gnmt"},
    },
    "tied": {"tie_embeddings": "all"},
}


def lively(**changes: Any) -> EncoderDecoder:
    """A small network whose biases are not zero."""
    model = network(**changes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model.eval()


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_prepacked_steps_agree_with_the_networks(name: str, rows: int) -> None:
    plain = lively(**NETWORKS[name])
    prepacked = make_step_network(plain)
    assert prepacked is not plain
    batch = collate(SOURCES, [[] for _ in SOURCES])
    encoded = plain.encoder(batch.source, batch.source_lengths)
    state, memory = plain.init_decoder(encoded)
    rows_of = torch.arange(len(SOURCES)).repeat_interleave(rows)
    expected_state = state = state.select(rows_of)
    for position in range(6):
        last_tokens = (torch.arange(len(rows_of)) * 3 + position) % 16 + 4
        expected = plain.step(last_tokens, expected_state, memory)
        output = prepacked.step(last_tokens, state, memory)
        assert torch.allclose(expected.log_probs, output.log_probs, atol=1e-5)
        for expected_hidden, hidden in zip(
            expected.state.hidden, output.state.hidden, strict=True
        ):
            assert torch.allclose(expected_hidden, hidden, atol=1e-5)
        expected_state, state = expected.state, output.state


@torch.inference_mode()
def test_a_table_takes_the_place_of_embeddings_unless_it_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = lively(attention={"kind": "none"})
    vocab_size = plain.decoder.embedding.num_embeddings
    tabled = make_step_network(plain).decoder
    gates = len(plain.decoder.bottom_rnn.layers[0].rnn.weight_ih_l0)
    assert tabled.embedding.weight.shape == (vocab_size, gates)
    monkeypatch.setattr(prepacked_decoder, "MAX_TABLE_SIZE", vocab_size * gates - 1)
    whole = make_step_network(plain).decoder
    assert whole.embedding.weight is plain.decoder.embedding.weight
    batch = collate(SOURCES, [[] for _ in SOURCES])
    state, memory = plain.init_decoder(
        plain.encoder(batch.source, batch.source_lengths)
    )
    last = torch.arange(len(SOURCES))[:, None] + 4
    expected = plain.decoder(last, state, memory).features
    for twin in (tabled, whole):
        features = twin(last, state, memory).features
        assert torch.allclose(features, expected, atol=1e-5)


def test_a_packed_twin_leaves_the_network_as_it_was() -> None:
    plain = lively()
    before = {name: weight.clone() for name, weight in plain.state_dict().items()}
    twin = make_step_network(plain)
    assert isinstance(twin.decoder.output_layer, prepacked_decoder.PrepackedLinear)
    assert isinstance(plain.decoder.output_layer, torch.nn.Linear)
    after = plain.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_other_precisions_are_stepped_by_the_network_itself() -> None:
    plain = lively().double()
    assert make_step_network(plain) is plain


@pytest.mark.parametrize("fault", ["missing", "wrong"])
def test_without_such_matrices_the_network_steps_itself(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def wrong(inputs: torch.Tensor, weight: Any, *rest: Any) -> torch.Tensor:
        return torch.full((len(inputs), 20), float("nan"))

    class Operators:
        _reorder_linear_weight = staticmethod(lambda weight: weight)
        if fault == "wrong":
            _linear_pointwise = staticmethod(wrong)

    class Torch:
        class ops:  # noqa: N801, as torch names it
            mkldnn = Operators

        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

    plain = lively()
    monkeypatch.setattr(prepacked_decoder, "torch", Torch())
    with pytest.raises(RuntimeError, match="packed matrices"):
        prepacked_decoder.PrepackedLinear(
            plain.decoder.output_layer.weight, plain.decoder.output_layer.bias
        )
    assert engine.make_step_network(plain) is plain


@torch.inference_mode()
def test_bfloat16_steps_are_near_and_the_same_whatever_the_batch() -> None:
    network = lively(decoder={**DECODER, "cell": "lstm"})
    exact, rounded = TorchEngine(network), TorchEngine(network, torch.bfloat16)
    batch = collate(SOURCES, [[] for _ in SOURCES])
    state, memory = exact.start(batch.source, batch.source_lengths)
    last_tokens = torch.arange(len(SOURCES)) + 4
    expected = exact.step(last_tokens, state, memory).log_probs
    log_probs = rounded.step(last_tokens, state, memory).log_probs
    assert log_probs.dtype == torch.float32
    assert 1e-4 < float((log_probs - expected).abs().max()) < 0.1
    for row in range(len(SOURCES)):
        rows = torch.tensor([row])
        alone = rounded.step(last_tokens[rows], state.select(rows), memory.select(rows))
        assert torch.equal(alone.log_probs[0], log_probs[row])


@pytest.mark.parametrize("fault", ["", "processor", "operators"])
def test_the_bfloat16_engine_computes_in_bfloat16_or_refuses(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(factory, "has_bfloat16", lambda device: fault != "processor")
    if fault == "operators":
        monkeypatch.setattr(engine, "make_step_network", lambda network, dtype: network)
    if fault:
        with pytest.raises(UserError, match=r"bfloat16.*Use --engine torch"):
            Translator.load(run, engine="torch-bf16")
        return
    translator = Translator.load(run, engine="torch-bf16")
    assert isinstance(translator.engine, TorchEngine)
    layer = translator.engine.step_network.decoder.output_layer
    assert layer.packed.dtype == torch.bfloat16
    again = pickle.loads(pickle.dumps(translator))  # noqa: S301, made here
    assert again(LINES) == translator(LINES)
    assert again.engine.step_network.decoder.output_layer.packed.dtype == torch.bfloat16


def test_translations_are_the_same_and_survive_pickling(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    quick, plain = Translator.load(run), Translator.load(run)
    assert isinstance(plain.engine, TorchEngine)
    plain.engine._step_network = plain.network
    expected = plain(LINES)
    assert quick(LINES) == expected
    again = pickle.loads(pickle.dumps(quick))  # noqa: S301, made here
    assert again(LINES) == expected
