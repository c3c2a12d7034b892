"""The search space of a recipe: its keys, their ranges, checked against the schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from seq2seq.errors import RecipeError
from seq2seq.evaluation.training_history import flatten
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.dump import flow_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.recipe.tune import SearchRange, parse_range
from seq2seq.recipe.validation import did_you_mean

_FIXED = (
    *("data.path", "data.source", "data.splits", "data.target", "description"),
    *("seed", "task", "train.monitor", "tune"),
)
"""Keys that would make trials incomparable."""


class Parameter(NamedTuple):
    """A key that a search varies.

    Attributes:
        key: Its full name, such as model.dropout.
        range: Its range.
        integer: Whether its values are whole numbers.
        base: The recipe's own value, as the search names it; None if it is outside.
    """

    key: str
    range: SearchRange
    integer: bool
    base: Any

    def format(self, value: Any) -> str:
        """Write a value as an override has it; numbers to four digits."""
        if self.range.kind == "of" or self.integer:
            return str(value)
        low, high = self.range.values
        text = f"{value:.4g}"
        return text if low <= float(text) <= high else repr(float(value))


def read_space(recipe: BaseRecipe, name: str) -> list[Parameter]:
    """Check the ranges of a recipe's tune section, every end and choice on its own.

    Args:
        recipe: The recipe.
        name: Its name, for messages.

    Raises:
        RecipeError: With a line for each range that the recipe cannot have.
    """
    if recipe.tune is None:
        raise RecipeError(
            f"{name} has no tune section, which says what to vary; "
            "`seq2seq recipe show small-data-tune` has one"
        )
    parameters, faults = [], []
    for key, value in recipe.tune.space.items():
        try:
            parameters.append(_parameter(recipe, key, parse_range(value)))
        except RecipeError as error:
            faults += [f"{name}: tune.space: {line}" for line in str(error).split("\n")]
    try:
        metric_name(recipe)
    except RecipeError as error:
        faults.append(f"{name}: {error}")
    if faults:
        raise RecipeError("\n".join(dict.fromkeys(faults)))
    return parameters


def metric_name(recipe: BaseRecipe) -> str:
    """Return the metric that decides: tune.metric, or that of train.monitor.

    Raises:
        RecipeError: If the task has no such metric.
    """
    options = recipe.tune
    assert options is not None
    monitors = get_args(type(recipe.train).model_fields["monitor"].annotation)
    names = [f"valid_{name}" for name in monitors]
    name = options.metric or f"valid_{recipe.train.monitor}"
    if name not in names:
        raise RecipeError(
            f"tune.metric: {name!r} is not one of {', '.join(names)}"
            + did_you_mean(name, names)
        )
    return name


def trial_recipe(recipe: BaseRecipe, overrides: dict[str, str]) -> BaseRecipe:
    """Return the recipe of a trial, without its tune section.

    Raises:
        RecipeError: If the values do not go together.
    """
    plain = recipe.without_tune()
    return read_recipe(plain, [f"{key}={text}" for key, text in overrides.items()])


def _parameter(recipe: BaseRecipe, key: str, values: SearchRange) -> Parameter:
    if any(key == name or key.startswith(f"{name}.") for name in _FIXED):
        raise RecipeError(f"{key} cannot vary: trials could not be compared")
    resolved = []
    for value in values.values:
        text = flow_yaml(value)
        try:
            resolved.append(trial_recipe(recipe, {key: text}))
        except RecipeError as error:
            # The message is about an override, which nobody has written.
            lines = str(error).split("\n")
            lines = [line.removeprefix(f"-o {key}={text}: ") for line in lines]
            raise RecipeError(
                "\n".join(_without_options(x, key) for x in lines)
            ) from None
    plain = recipe.without_tune()
    if values.kind == "of":
        texts = [flow_yaml(value) for value in values.values]
        same = [t for t, r in zip(texts, resolved, strict=True) if r == plain]
        choices = SearchRange("of", texts)
        return Parameter(key, choices, False, same[0] if same else None)
    types = set(_plain_types(resolved[0], key))
    if not types & {int, float}:
        raise RecipeError(f"{key} has no range of numbers; give {{of: [...]}}")
    integer = float not in types
    base = flatten(plain.model_dump(mode="json")).get(key)
    low, high = values.values
    inside = isinstance(base, int | float) and low <= base <= high
    return Parameter(key, values, integer, base if inside else None)


def _without_options(line: str, key: str) -> str:
    """Suggest a key or its value, where a message suggests an override with both."""

    def name(match: re.Match[str]) -> str:
        return f"'{match[2] if match[1] == key else match[1]}'?"

    return re.sub(r"'?-o ([\w.]+)=([^?']*)'?\?", name, line)


def _plain_types(recipe: BaseRecipe, key: str) -> Iterator[Any]:
    """Yield the types that a key may have by the schema."""
    section: Any = recipe
    *parents, last = key.split(".")
    for parent in parents:
        section = getattr(section, parent)
    pending = [type(section).model_fields[last].annotation]
    while pending:
        wanted = pending.pop()
        pending += get_args(wanted)
        yield wanted
