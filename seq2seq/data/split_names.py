"""Names of splits: what others call them, and the error about a missing one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from rapidfuzz import fuzz, process

from seq2seq.errors import UserError
from seq2seq.recipe.dump import flow_yaml

ALIASES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
}
"""Other names of each split; one stands for another where it is the only one there."""

_SUGGESTED = {
    "valid": ("devel", "development"),
    "test": ("eval", "evaluation"),
}
"""Names that are suggested for a split, but not read: eval may be either."""

_SIMILARITY = 60  # Percent that two names share at least: tset and test, 75.


class MissingSplitError(UserError):
    """A corpus has no such split.

    Args:
        name: The corpus, as messages call it.
        split: The name of the split.
        splits: The splits that there are.
        unread: Files there in formats that are not read, such as train.csv.
        roles: The splits of a recipe by role (train, valid, test); if this split has
            one of them, the message names the override to set.
    """

    def __init__(
        self,
        name: str,
        split: str,
        splits: Iterable[str],
        *,
        unread: Sequence[str] = (),
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.split, self.unread = name, split, unread
        self.splits = sorted(set(splits))
        roles = roles or {}
        role = next((role for role, name in roles.items() if name == split), None)
        taken = {name for other, name in roles.items() if other != role}
        similar = _similar(split, role, set(self.splits) - taken)
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
            options = _overrides(role, similar, roles, self.splits)
            message += f"If you mean {' or '.join(similar)}: {options}"
        elif similar:
            message += f"Did you mean {' or '.join(similar)}?"
        elif (use := role or role_of(split)) in ("valid", "test"):
            message += (
                f"Pairs to {'validate' if use == 'valid' else 'evaluate'} on must not "
                f"be trained on: move some hundred into a split called {split}."
            )
        else:
            message += "Name one of them, or add the files."
        super().__init__(message)

    def with_roles(self, roles: Mapping[str, str]) -> MissingSplitError:
        """Return the error of a split of a recipe with these splits by role."""
        return MissingSplitError(
            self.name, self.split, self.splits, unread=self.unread, roles=roles
        )


def role_of(name: str) -> str | None:
    """Return the role that a split's name begins with: test for test_2016, or None."""
    first = re.split(r"[\W\d_]", name.lower(), maxsplit=1)[0]
    return next(
        (
            role
            for role, names in ALIASES.items()
            if first in (*names, *_SUGGESTED.get(role, ()))
        ),
        None,
    )


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


def _overrides(
    role: str, similar: list[str], roles: Mapping[str, str], splits: list[str]
) -> str:
    """Return what to paste: one override for all missing splits, if all are clear."""
    meant = {role: similar}
    for other, name in roles.items():
        if other != role and name not in splits:
            free = set(splits) - set(similar) - set(roles.values())
            meant[other] = _similar(name, other, free)
    clear = {key: meant[key][0] for key in roles if len(meant.get(key, ())) == 1}
    if role in clear and len(clear) > 1:
        return f"-o {shlex.quote(f'data.splits={flow_yaml(clear)}')}"
    return " or ".join(f"-o data.splits.{role}={name}" for name in similar)
