"""Tiny networks and searches that several tests share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import ModelOptions, SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.types import Batch, Hypothesis

CELLS = ["rnn", "gru", "lstm"]
ALL_CELLS = [*CELLS, "min_gru", "min_lstm"]
SOURCES = [[4, 5, 6, 7, 8], [9], [10, 11, 4], [12, 13, 5, 6]]
TARGETS = [[7, 8], [9, 10, 11, 12, 13], [14], [15, 16, 4]]
V = 20


def network(**changes: Any) -> EncoderDecoder:
    """A tiny model in training mode; sections are merged key by key."""
    sections: dict[str, Any] = {
        "embedding_size": 8,
        "encoder": {"cell": "gru", "layers": 1, "hidden_size": 6},
        "decoder": {"cell": "gru", "layers": 1, "hidden_size": 7},
        "dropout": 0.0,
    }
    for key, value in changes.items():
        if isinstance(value, dict):
            sections[key] = {**sections.get(key, {}), **value}
        else:
            sections[key] = value
    torch.manual_seed(0)
    options = ModelOptions.model_validate(sections)
    return EncoderDecoder(options, source_vocab_size=V, target_vocab_size=V)


def shaken(module: Any) -> Any:
    """Biases start at zero, where some faults would not show."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module.double().eval()


def exact(**changes: Any) -> EncoderDecoder:
    """A tiny model in double precision that drops nothing."""
    return shaken(network(**changes))


def greedy(model: EncoderDecoder, batch: Batch, limit: int = 12) -> list[Hypothesis]:
    with torch.no_grad():
        state, memory = model.init_decoder(
            model.encoder(batch.source, batch.source_lengths)
        )
        demands = DecodingConstraints(
            max_lengths=torch.full((len(batch.source),), limit)
        )
        return greedy_search(model.step, state, memory, demands, SearchOptions())


def beam(
    model: EncoderDecoder, batch: Batch, *, size: int, hypotheses: int = 1
) -> list[list[Hypothesis]]:
    with torch.no_grad():
        state, memory = model.init_decoder(
            model.encoder(batch.source, batch.source_lengths)
        )
        return beam_search(
            model.step,
            state,
            memory,
            DecodingConstraints(max_lengths=torch.full((len(batch.source),), 12)),
            SearchOptions(beam_size=size, length_penalty=0.7),
            num_hypotheses=hypotheses,
        )


def whole_sequence(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Teacher-forced log-probabilities, (N, T, V)."""
    with torch.no_grad():
        features = model.forward_decoder(batch).features
        return torch.log_softmax(model.decoder.logits(features), dim=-1)
