"""seq2seq doctor; imports nothing heavy before the command runs."""

from __future__ import annotations

from seq2seq.cli.options import Overrides, RecipeName


def doctor(recipe: RecipeName, override: Overrides = None) -> None:
    """Try a recipe on this machine before training it, and say what to change."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from seq2seq.recipe.loader import read_recipe

    resolved = read_recipe(recipe, override or [])
    from seq2seq.training.doctor import run_checks

    console = Console(highlight=False)
    table = Table(title=Text(f"{recipe}: checks before training"))
    for column in ("check", "value", "what to change"):
        table.add_column(column, overflow="fold")

    def log(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    for check in run_checks(resolved, log):
        table.add_row(*map(Text, check))
    console.print(table)
