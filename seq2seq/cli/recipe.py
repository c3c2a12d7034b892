"""Commands `seq2seq recipe ls`, `show`, `cp`, `validate` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import Overrides, RecipeName
from seq2seq.errors import UserError

recipes = typer.Typer(
    help="List, print, copy and validate recipes.", no_args_is_help=True
)


@recipes.command("ls")
def recipe_ls() -> None:
    """List the shipped recipes."""
    from seq2seq.recipe.loader import read_recipe, recipe_names

    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {read_recipe(name).description}")


@recipes.command("show")
def recipe_show(recipe: RecipeName, override: Overrides = None) -> None:
    """Print a recipe with all keys, defaults and overrides included."""
    from seq2seq.recipe.loader import read_recipe, recipe_yaml

    print(recipe_yaml(read_recipe(recipe, override or [])), end="")


@recipes.command("cp")
def recipe_cp(
    recipe: RecipeName,
    target: Annotated[
        Path, typer.Argument(help="The YAML file to write; it must not exist.")
    ],
) -> None:
    """Copy a recipe to a new file, to edit it."""
    from seq2seq.recipe.loader import read_recipe, recipe_path, recipe_yaml
    from seq2seq.utils.files import atomic_file

    if target.exists():
        raise UserError(f"{target} is there already; name another file.")
    text = recipe_path(recipe).read_text(encoding="utf-8")
    if "\nextends:" in f"\n{text}":  # The base recipe is not copied.
        text = recipe_yaml(read_recipe(recipe))
    with atomic_file(target) as file:
        file.write(text.encode())
    print(f"{target} is yours to change; then: seq2seq train {target}")


@recipes.command("validate")
def recipe_validate(recipe: RecipeName, override: Overrides = None) -> None:
    """Validate a recipe and list all of its errors."""
    from seq2seq.recipe.loader import read_recipe

    read_recipe(recipe, override or [])
    print(f"{recipe} is valid")


@recipes.command("schema")
def recipe_schema() -> None:
    """Print the JSON schema of recipes."""
    import json

    from seq2seq.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))
