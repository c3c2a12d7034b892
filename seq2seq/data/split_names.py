"""Names of splits: what others call them, and the error about a missing one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

from seq2seq.errors import UserError

ALIASES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
}
"""Other names of each split; one stands for another where it is the only one there."""

_SIMILARITY = 60  # Percent that two names share at least: tset and test, 75.


class MissingSplitError(UserError):
    """A corpus has no such split.

    Args:
        name: The corpus, as messages call it.
        split: The name of the split.
        splits: The splits that there are.
        unread: Files there in formats that are not read, such as train.csv.
        role: What the split is for: train, valid or test; None if for none of them.
        taken: Splits that serve other roles, which are never suggested.
    """

    def __init__(
        self,
        name: str,
        split: str,
        splits: Iterable[str],
        *,
        unread: Sequence[str] = (),
        role: str | None = None,
        taken: Iterable[str] = (),
    ) -> None:
        self.name, self.split, self.unread = name, split, unread
        self.splits = sorted(set(splits))
        similar = _similar(split, role, set(self.splits) - set(taken))
        available = ", ".join(self.splits) or "none that can be read"
        message = f"{name} has no split {split!r}: it has {available}. "
        if unread:
            message += (
                f"{' and '.join(unread[:2])} cannot be read: save each as "
                "tab-separated text in UTF-8, such as train.en-de.tsv."
            )
        elif not self.splits:
            message += (
                "It needs files such as train.en and train.de, a sentence a line, or "
                "train.en-de.tsv, train.jsonl or train.parquet."
            )
        elif role is not None and similar:
            options = " or ".join(f"-o data.splits.{role}={name}" for name in similar)
            message += f"If you mean {' or '.join(similar)}: {options}"
        elif similar:
            message += f"Did you mean {' or '.join(similar)}?"
        elif role in ("valid", "test"):
            message += (
                f"Pairs to {'validate' if role == 'valid' else 'evaluate'} on must not "
                f"be trained on: move some hundred into a split called {split}."
            )
        else:
            message += "Name one of them, or add the files."
        super().__init__(message)

    def with_role(self, role: str | None, taken: Iterable[str]) -> MissingSplitError:
        """Return the error of a split that has a role in a recipe."""
        return MissingSplitError(
            self.name,
            self.split,
            self.splits,
            unread=self.unread,
            role=role,
            taken=taken,
        )


def role_of(name: str) -> str | None:
    """Return the role that a split's name begins with: test for test_2016, or None."""
    first = re.split(r"[\W\d_]", name.lower(), maxsplit=1)[0]
    return next((role for role, names in ALIASES.items() if first in names), None)


def find_alias(split: str, splits: Iterable[str]) -> str | None:
    """Return the only split that is another name of this one, if there is one.

    Args:
        split: A split that a corpus does not have, such as valid.
        splits: Those that it has, such as train and val.
    """
    names = next((names for names in ALIASES.values() if split in names), ())
    there = [name for name in splits if name in names]
    return there[0] if len(there) == 1 else None


def _similar(split: str, role: str | None, splits: set[str]) -> list[str]:
    """Return splits that may be meant; none that is named after another role."""
    role = role or role_of(split)
    same_role = sorted(name for name in splits if role and role_of(name) == role)
    if same_role:
        return same_role[:3]
    others = sorted(name for name in splits if role_of(name) in (None, role))
    if role is None:
        others = sorted(splits)
    match = process.extractOne(
        split, others, scorer=fuzz.ratio, score_cutoff=_SIMILARITY
    )
    return [match[0]] if match else []
