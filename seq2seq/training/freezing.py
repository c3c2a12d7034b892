"""Parts of a network that are not trained (`train.freeze`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.validation import did_you_mean
from seq2seq.tasks import open_task
from seq2seq.tasks.task import Vocabularies


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Exclude parts of a network from training: their weights keep every bit.

    Args:
        network: The network.
        names: Modules or parameters, such as encoder.embedding.

    Raises:
        UserError: If the network has no such part, or nothing is left to train.
    """
    for name in names:
        parameters = [p for key, p in _parameters(network) if _is_in(key, name)]
        if not parameters:
            parts = {part for key, _ in _parameters(network) for part in _parts(key)}
            known = ", ".join(key for key, _ in network.named_children())
            raise UserError(
                f"train.freeze: the network has no part {name!r}"
                + (did_you_mean(name, sorted(parts)) or f"; it has {known}.")
            )
        for parameter in parameters:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(
            f"train.freeze: {', '.join(names)} is all of the network; leave a part of "
            "it to train."
        )


def check_frozen_parts(recipe: BaseRecipe, vocabularies: Vocabularies) -> None:
    """Check train.freeze before anything is written.

    Raises:
        UserError: As `freeze`.
    """
    if not recipe.train.freeze:
        return
    with torch.device("meta"):  # Takes neither time nor memory.
        network = open_task(recipe, vocabularies).network()
    freeze(network, recipe.train.freeze)


def num_frozen(network: nn.Module) -> int:
    """Count the weights that are not trained."""
    return sum(p.numel() for p in network.parameters() if not p.requires_grad)


def describe_frozen(network: nn.Module, names: Sequence[str]) -> str:
    """Return what is not trained, tied matrices included; empty if all is trained."""
    if not names:
        return ""
    total = sum(parameter.numel() for parameter in network.parameters())
    tied = {
        key.rpartition(".")[0]
        for key, parameter in _parameters(network)
        if not parameter.requires_grad and not any(_is_in(key, n) for n in names)
    }
    text = f"{', '.join(names)}: {num_frozen(network):,} of {total:,} weights"
    return f"{text}, with {', '.join(sorted(tied))}, tied to them" if tied else text


def _parameters(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return all parameters by all of their names; tied ones have several."""
    return list(network.named_parameters(remove_duplicate=False))


def _is_in(key: str, part: str) -> bool:
    return key == part or key.startswith(f"{part}.")


def _parts(key: str) -> list[str]:
    """Return a parameter's name and those of the modules that hold it."""
    words = key.split(".")
    return [".".join(words[:count]) for count in range(1, len(words) + 1)]
