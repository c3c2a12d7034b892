"""The numeric precision of a training whose recipe leaves it to the machine."""

from __future__ import annotations

import os

from seq2seq.recipe import BaseRecipe
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.devices import has_bfloat16

MIN_SIZE = 256
"""Units of a layer from which bfloat16 is faster, conversions included."""


PRIMITIVES = "64"
"""Compiled products that a process keeps; oneDNN's and PyTorch's default is 1,024."""


def limit_primitive_caches() -> None:
    """Keep fewer compiled products, unless the environment sets how many.

    oneDNN compiles each bfloat16 product for its shape and keeps it, scratch memory
    included; batches of sentences have hundreds of shapes. Takes effect before the
    process's first product alone: both libraries read the environment there.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, PRIMITIVES)


def resolve_precision(
    recipe: BaseRecipe, run: RunFolder | None, device: str
) -> tuple[BaseRecipe, str | None]:
    """Replace `train.precision: auto` by what this training computes in.

    A run that has a checkpoint keeps its own precision, on any machine. Another gets
    bf16-mixed where the hardware multiplies bfloat16 and a layer is wide enough.

    Args:
        recipe: The recipe.
        run: The run folder, perhaps empty; None for a trial without one.
        device: cpu, cuda:0 and so on, as torch names it.

    Returns:
        The recipe without auto, and the choice with its reason in one line; None where
        the recipe made it.
    """
    if recipe.train.precision != "auto":
        return recipe, None
    sides = (getattr(recipe.model, side, None) for side in ("encoder", "decoder"))
    size = max(getattr(side, "hidden_size", 0) for side in sides)
    if run and run.has_training_state and run.recipe.is_file():
        precision = run.read_recipe().train.precision
        reason = "it is what the run was begun with"
    elif not has_bfloat16(device):
        precision, reason = "32-true", "this machine does not multiply bfloat16"
    elif size < MIN_SIZE:
        precision, reason = "32-true", f"no layer has {MIN_SIZE} units or more"
    else:
        precision, reason = "bf16-mixed", "this machine multiplies bfloat16"
    train = recipe.train.model_copy(update={"precision": precision})
    line = f"train.precision is auto: {precision}, since {reason}"
    return recipe.model_copy(update={"train": train}), line
