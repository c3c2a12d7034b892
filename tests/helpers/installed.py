"""What an installation of some requirements would bring, and what it would lack."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""
"""Lines of Python after which modules named in the set `blocked` are missing."""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(lines: Iterable[str]) -> set[str]:
    """Distributions that an installation of requirements brings here."""
    names: set[str] = set()
    remaining = [Requirement(line) for line in lines]
    while remaining:
        name = normalised(remaining.pop().name)
        if name in names:
            continue
        try:
            more = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # Of another platform, or of torch with CUDA.
            continue
        names.add(name)
        remaining += [
            requirement
            for requirement in more
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return names


def other_modules(lines: Iterable[str]) -> set[str]:
    """Modules that are installed here, but not by these requirements."""
    names = closure(lines) | {"seq2seq-recurrent"}
    return {
        module
        for module, owners in packages_distributions().items()
        if module != "seq2seq" and not {normalised(owner) for owner in owners} & names
    }
