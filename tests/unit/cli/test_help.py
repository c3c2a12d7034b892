"""Every argument of every verb has help, of which the terminal shows all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from seq2seq.cli import app


def parameters() -> Iterator[Any]:
    """Pairs of a parameter's name and its help."""

    def walk(name: str, command: Any) -> Iterator[Any]:
        for verb, nested in getattr(command, "commands", {}).items():
            yield from walk(f"{name} {verb}".strip(), nested)
        for parameter in command.params:
            if parameter.name != "help":
                label = f"{name}: {parameter.name}"
                yield pytest.param(parameter.help, id=label)

    yield from walk("", typer.main.get_command(app))


@pytest.mark.parametrize("text", list(parameters()))
def test_every_argument_has_help_without_markup(text: str | None) -> None:
    assert text
    # Rich takes [standard output] for markup and drops it; use show_default.
    assert "[" not in text
