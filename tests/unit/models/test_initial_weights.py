"""What an untrained network starts from, and the sizes that it accepts."""

from __future__ import annotations

import math

import pytest
import torch

from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.attention import Attention
from seq2seq.recipe import ModelOptions


def test_embeddings_have_a_variance_of_one_over_their_size() -> None:
    torch.manual_seed(0)
    options = ModelOptions.model_validate({"embedding_size": 64})
    network = EncoderDecoder(options, source_vocab_size=500, target_vocab_size=400)
    for weights in (
        module.weight
        for module in network.modules()
        if isinstance(module, torch.nn.Embedding)
    ):
        assert weights.std().item() == pytest.approx(1 / 8, rel=0.02)


@pytest.mark.parametrize("num_heads", [1, 4])
def test_additive_energies_are_uniform_with_the_variance_of_one_head(
    num_heads: int,
) -> None:
    torch.manual_seed(0)
    attention = Attention(1024, 8, kind="additive", num_heads=num_heads)
    bound = math.sqrt(3 * num_heads / 1024)
    assert 0.98 * bound < attention.energy.abs().max().item() <= bound


def test_heads_divide_queries_and_values() -> None:
    Attention(8, 6, kind="general", num_heads=2)
    for sizes in ((8, 5), (5, 8), (9, 9)):
        with pytest.raises(ValueError, match="2 heads do not divide the sizes"):
            Attention(*sizes, kind="general", num_heads=2)
