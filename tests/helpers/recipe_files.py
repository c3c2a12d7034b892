"""A recipe that is valid, and how tests write recipes and see them refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq.errors import RecipeError
from seq2seq.recipe.loader import read_recipe

VALID = """\
# A comment
description: a trial
data:
  path: corpus
  source: en
  target: de
model:
  dropout: 0.3
  encoder:
    cell: lstm
train:
  max_steps: 10
  optimizer:
    kind: adam
    learning_rate: 1e-3
    weight_decay: 0.1
  schedule: {kind: cosine, min_lr_ratio: 0.1}
"""


def write(text: str | bytes, name: str = "my.yaml") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def refused(name: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        read_recipe(name, overrides)
    return str(caught.value).split("\n")


def outcome(name: str, *overrides: str) -> list[str]:
    try:
        read_recipe(name, overrides)
    except RecipeError as error:
        return str(error).split("\n")
    return []
