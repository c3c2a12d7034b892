"""Commands `seq2seq recipe ls`, `show`, `cp`, `validate` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.options import Overrides, RecipeName
from seq2seq.cli.verbs import add_verb, new_group
from seq2seq.errors import UserError
from seq2seq.utils.console import print_hint

recipes = new_group("List, print, copy and validate recipes.")


def recipe_ls() -> None:
    """List the shipped recipes: those without a download first, chains of them last."""
    from seq2seq.recipe.chain import read_chain
    from seq2seq.recipe.loader import chain_names, read_recipe, recipe_names

    recipes = {name: read_recipe(name) for name in recipe_names()}

    def purpose(name: str) -> tuple[bool, bool, bool, str]:
        description = recipes[name].description
        built_in = recipes[name].data.path == "phrasebook"
        folder = "/" in name
        series = description if folder else name  # Those of a series are numbered.
        bench = name.startswith("bench/")
        return bench, folder, not built_in, series

    lines = {name: recipes[name].description for name in sorted(recipes, key=purpose)}
    lines |= {name: read_chain(name).description for name in chain_names()}
    width = max(map(len, lines))
    for name, description in lines.items():
        print(f"{name:<{width}}  {description}")


def recipe_show(recipe: RecipeName, override: Overrides = None) -> None:
    """Print a recipe with all keys, defaults and overrides included."""
    from seq2seq.recipe.chain import is_chain
    from seq2seq.recipe.loader import recipe_path, show_recipe

    if is_chain(recipe):
        if override:
            raise UserError(f"{recipe} is a chain; -o is for recipes, or for training.")
        print(recipe_path(recipe).read_text(encoding="utf-8"), end="")
        return
    print(show_recipe(recipe, override or []), end="")


def recipe_cp(
    recipe: RecipeName,
    target: Annotated[
        Path, typer.Argument(help="The YAML file to write; it must not exist.")
    ],
) -> None:
    """Copy a recipe to a new file, to edit it."""
    from seq2seq.recipe.loader import recipe_path, show_recipe
    from seq2seq.utils.files import atomic_file

    if target.exists():
        raise UserError(f"{target} is there already; name another file.")
    text = recipe_path(recipe).read_text(encoding="utf-8")
    if "\nextends:" in f"\n{text}":  # The base recipe is not copied.
        text = show_recipe(recipe)
    with atomic_file(target) as file:
        file.write(text.encode())
    print_hint(f"{target} is yours to change; then: seq2seq train {target}")


def recipe_validate(recipe: RecipeName, override: Overrides = None) -> None:
    """Validate a recipe and list all of its errors."""
    from seq2seq.recipe.chain import is_chain, read_chain, resolve_trainings
    from seq2seq.recipe.loader import read_recipe

    if is_chain(recipe):
        folder = Path("runs") / "chain"
        resolve_trainings(read_chain(recipe), recipe, folder, override or [])
    else:
        read_recipe(recipe, override or [])
    print(f"{recipe} is valid")


def recipe_schema() -> None:
    """Print the JSON schema of recipes."""
    import json
    from functools import reduce
    from operator import or_

    from pydantic import TypeAdapter

    from seq2seq.recipe import RECIPES

    print(json.dumps(TypeAdapter(reduce(or_, RECIPES)).json_schema(), indent=2))


for verb in (recipe_ls, recipe_show, recipe_cp, recipe_validate, recipe_schema):
    add_verb(recipes, verb, "recipe")
