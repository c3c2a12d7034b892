"""Commands with what all of them have: -h, -q, -v and examples."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from seq2seq.cli.examples import EXAMPLES
from seq2seq.utils.console import set_verbosity

Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Print results, warnings and errors alone."),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print debug lines to standard error.")
]


MODEL = "model"
"""Annotates an argument that may name demo or a model of the Hub instead of a path."""


def apply_verbosity(*, quiet: bool, verbose: bool) -> None:
    """Apply -q and -v, which stand before or behind the command's name.

    Raises:
        typer.BadParameter: If both are given.
    """
    if quiet and verbose:
        raise typer.BadParameter("-q and -v contradict each other; give one of them.")
    if quiet or verbose:
        set_verbosity(quiet=quiet, verbose=verbose)


def add_verb(app: typer.Typer, function: Callable[..., None], prefix: str = "") -> None:
    """Add a command to an app: its name is that of the function behind the prefix.

    Args:
        app: The app, or the group of commands called `prefix`.
        function: Takes the command's arguments, annotated for Typer.
        prefix: Name of the group; functions of it start with the name and `_`.
    """
    name = function.__name__.removeprefix(f"{prefix}_")
    examples = EXAMPLES[f"{prefix} {name}".strip()]
    app.command(
        name,
        short_help=(function.__doc__ or "").split("\n")[0],  # Else it is cut.
        epilog="\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples),
    )(_with_verbosity(function))


def new_group(help_text: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """Return an app without commands: plain help, which no width cuts."""
    return typer.Typer(
        help=help_text,
        short_help=help_text,  # Else it is cut.
        no_args_is_help=no_args_is_help,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def _open_name(value: Path | list[Path] | None) -> Path | list[Path] | None:
    """Download what is named as a model of the Hub; return paths as they are."""
    from seq2seq.runs.hub import model_path

    if value is None:
        return None
    if isinstance(value, list):
        return [model_path(path) for path in value]
    return model_path(value)


def _with_verbosity(function: Callable[..., None]) -> Callable[..., None]:
    """Add -q and -v to a function's signature."""
    signature = inspect.signature(function, eval_str=True)
    more = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation
        )
        for name, annotation in (("quiet", Quiet), ("verbose", Verbose))
    ]
    parameters = [*signature.parameters.values(), *more]
    models = [
        name
        for name, parameter in signature.parameters.items()
        if MODEL in getattr(parameter.annotation, "__metadata__", ())
    ]

    @functools.wraps(function)
    def command(*, quiet: bool, verbose: bool, **arguments: Any) -> None:
        apply_verbosity(quiet=quiet, verbose=verbose)
        try:
            for name in models:
                arguments[name] = _open_name(arguments[name])
            function(**arguments)
        except KeyboardInterrupt:  # Typer would end without a word.
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None

    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
