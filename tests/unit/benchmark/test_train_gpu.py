"""The benchmark of a GPU: its recipes, which nothing else reads where there is none."""

from __future__ import annotations

import pytest

from seq2seq.recipe.loader import read_recipe
from tests.benchmarks.train_gpu import PRECISIONS, SHAPES, overrides


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_trains_in_the_precision_it_is_called(
    shape: str, precision: str
) -> None:
    recipe = read_recipe("bench/base", overrides(shape, precision, 4096))
    expected = "bf16-mixed" if precision == "bf16" else "32-true"
    assert recipe.train.precision == expected
    assert recipe.train.batch_tokens == 4096
    size, layers, hidden = SHAPES[shape]
    model = recipe.model
    assert model.embedding_size == size
    for side in (model.encoder, model.decoder):
        assert (side.layers, side.cell) == (layers, "lstm")
    assert model.decoder.hidden_size == hidden
