"""The recipe for a corpus by its size, with the reason beside each value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import flow_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.utils.text import with_noun

LEAST_PAIRS = 200
SMALL_PAIRS = 50_000
"""Training pairs below which `small-data` is the base (Sennrich and Zhang 2019)."""

_LEAST_STEPS = 2000
_VALIDATIONS = 25
_CHARACTERS_PER_TOKEN = 2.5  # Of subwords of small vocabularies, padded.


class CorpusSize(NamedTuple):
    """What the choice depends on.

    Attributes:
        pairs: Training pairs.
        characters: Characters of the longer side of each pair, summed.
        alphabet: Different characters on both sides.
    """

    pairs: int
    characters: int
    alphabet: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> CorpusSize:
        """Count training pairs."""
        alphabet: set[str] = set()
        count = characters = 0
        for pair in pairs:
            count += 1
            alphabet.update(*pair)
            characters += max(map(len, pair))
        return cls(count, characters, len(alphabet))


def choose_recipe(
    size: CorpusSize,
    *,
    path: str,
    source: str,
    target: str,
    splits: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a recipe as YAML, which extends a shipped one.

    Args:
        size: The size of the training split.
        path: The corpus.
        source: The source language.
        target: The target language.
        splits: The names of splits that are called otherwise than valid and test.

    Raises:
        UserError: If there are too few pairs to learn from.
    """
    require_enough(size.pairs, path)
    small = size.pairs < SMALL_PAIRS
    base = "small-data" if small else "tatoeba-en-de-attention"
    shipped = read_recipe(base)
    assert isinstance(shipped, Recipe)
    tokens = size.characters / _CHARACTERS_PER_TOKEN
    per_epoch = max(1, round(tokens / shipped.train.batch_tokens))
    least = shipped.train.max_epochs or 1
    epochs = max(least, math.ceil(_LEAST_STEPS / per_epoch))
    every = per_epoch * epochs // _VALIDATIONS
    every = max(50, min(shipped.train.validate_every, every))
    description = flow_yaml(f"{source} to {target}, {size.pairs:,} pairs, after {base}")
    kind = "below" if small else "from"
    lines = [
        f"# {base} is the base {kind} {SMALL_PAIRS:,} pairs; comments give the reason",
        "# where a value differs from it, and its own reasons.",
        f"description: {description}",
        f"extends: {base}",
        "data:",
        f"  path: {flow_yaml(path)}",
        f"  source: {source}",
        f"  target: {target}",
        "  max_pairs: null  # all",
        *[f"  splits: {flow_yaml(dict(splits))}  # the only ones"] * bool(splits),
        *_vocabulary(size, shipped.tokenizer.vocab_size),
        "train:",
    ]
    if epochs > least:
        lines += [
            f"  # At least {_LEAST_STEPS:,} steps, of about {per_epoch} an epoch.",
            f"  max_epochs: {epochs}",
        ]
    lines += [
        f"  # About {_VALIDATIONS} validations, so that patience can stop in time.",
        f"  validate_every: {every}",
        f"  checkpoint_every: {every}",
    ]
    if not small:
        lines.append("  patience: 5  # validations without improvement")
    return "".join(f"{line}\n" for line in lines)


def require_enough(count: int, name: str) -> None:
    """Refuse a corpus of which nothing can be learned.

    Raises:
        UserError: If there are too few pairs.
    """
    if count < LEAST_PAIRS:
        raise UserError(
            f"{name} has {with_noun(count, 'pair')} to train on, and fewer than "
            f"{LEAST_PAIRS} teach nothing. Add sentences."
        )


def _vocabulary(size: CorpusSize, usual: int) -> list[str]:
    """Return the tokenizer section, where the base's vocabulary does not fit."""
    needed = math.ceil(2 * size.alphabet / 100) * 100
    if needed > usual:
        return [
            "tokenizer:",
            f"  # Twice the {size.alphabet:,} characters that the text is written in.",
            f"  vocab_size: {needed}",
        ]
    if size.pairs < 2000:
        return [
            "tokenizer:",
            "  # Of fewer than 2,000 pairs: rare tokens are never learned.",
            f"  vocab_size: {max(500, needed)}",
        ]
    return []
