"""Start a translation from a run with other tokens, row by row of its tables."""

from __future__ import annotations

import torch
from torch import Tensor

from seq2seq.data.tokenizer import CONTROL, Tokenizers

_TABLES = {
    "encoder.embedding.weight": "source",
    "decoder.embedding.weight": "target",
    "decoder.output_layer.weight": "target",
    "decoder.output_layer.bias": "target",
}
"""Parameters with a row for each token, by the side whose tokens these are."""


def shared_tokens(parent: Tokenizers, child: Tokenizers) -> dict[str, dict[int, int]]:
    """Return the tokens that two vocabularies share.

    Returns:
        Of each side, source and target: ids of the parent by ids of the child.
    """
    shared = {}
    for side in ("source", "target"):
        old, new = getattr(parent, side), getattr(child, side)
        ids = {token: i for i, token in enumerate(old.id_to_tokens(range(len(old))))}
        tokens = enumerate(new.id_to_tokens(range(len(new))))
        shared[side] = {i: ids[token] for i, token in tokens if token in ids}
    return shared


def transfer_rows(
    weights: dict[str, Tensor],
    shared: dict[str, dict[int, int]],
    sizes: dict[str, int],
    *,
    seed: int,
) -> dict[str, Tensor]:
    """Replace the tables of a parent's state dict by those of other vocabularies.

    Rows of shared tokens are copied: embeddings, output matrix and bias alike. The
    others are drawn from a normal distribution with the mean and the standard deviation
    of the copied ones, in each dimension.

    Args:
        weights: The parent's state dict; tied tables are one tensor.
        shared: As `shared_tokens` returns it.
        sizes: Tokens of each side of the new vocabularies.
        seed: Of the drawn rows.

    Source: Zoph et al. 2016, section 3, for keeping what two languages share.
    """
    tables: dict[int, Tensor] = {}  # Tied tables once, by where the parent has them.
    transferred = dict(weights)
    for name, side in _TABLES.items():
        old = weights[name]
        if old.data_ptr() not in tables:
            table = _transfer(old, shared[side], sizes[side], seed=seed)
            tables[old.data_ptr()] = table
        transferred[name] = tables[old.data_ptr()]
    return transferred


def _transfer(rows: Tensor, shared: dict[int, int], size: int, *, seed: int) -> Tensor:
    """Make a table of `size` rows: copied where tokens are shared, drawn elsewhere."""
    known = rows[[old for old in shared.values() if old >= len(CONTROL)]]
    if len(known) < 2:  # Their spread is unknown.
        known = rows[len(CONTROL) :]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(size, *rows.shape[1:], generator=generator)
    table = known.mean(dim=0) + noise * known.std(dim=0)
    table[list(shared)] = rows[list(shared.values())]
    return table
