"""Packages of the extra `formats`, which may not be installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from seq2seq.errors import UserError


def import_extra(module: str, name: object) -> Any:
    """Import a module of the extra `formats`.

    Args:
        module: Its name.
        name: The file that needs it.

    Raises:
        UserError: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"{name} needs the extra formats, of which {module.split('.')[0]} is "
            "missing: pip install 'seq2seq-recurrent[formats]'"
        ) from error
