"""seq2seq doctor; imports nothing heavy before the command runs."""

from __future__ import annotations

from seq2seq.cli.options import DeviceName, Overrides, RecipeName, choose_device
from seq2seq.utils.console import make_console, print_table, print_warning
from seq2seq.utils.languages import language_warning


def doctor(
    recipe: RecipeName, override: Overrides = None, device: DeviceName = None
) -> None:
    """Try a recipe on this machine before training it, and say what to change."""
    from seq2seq.recipe.loader import read_recipe

    resolved = read_recipe(recipe, override or [])
    from seq2seq.training.doctor import run_checks

    translates = resolved.task == "translation"
    if translates and (warning := language_warning(resolved.data.target)):
        print_warning(warning)
    rows = list(run_checks(resolved, device=choose_device(device)))
    title = f"{recipe}: checks before training"
    columns = ("check", "value", "what to change")
    print_table(make_console(), title, columns, rows)
