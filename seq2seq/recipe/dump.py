"""Write recipes and their values as YAML, with the comments of the files read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.strict_yaml import Location, Node, parse_yaml, plain_scalar


def recipe_yaml(recipe: BaseRecipe, tree: Node | None = None) -> str:
    """Write a recipe out in full, defaults included.

    Args:
        recipe: A valid recipe.
        tree: The nodes that it was read from. Their comments come above their keys,
            unless an override changed a value that the comment may be about.

    Returns:
        YAML in the order of the schema, which `read_recipe` reads as an equal recipe.
    """
    content = recipe.model_dump()
    if content["tune"] is None:
        del content["tune"]
    text = _dump(content, flow=False)
    if tree is None:
        return text
    comments = dict(_comments(tree, parse_yaml(text, Location("", 1))))
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        indent = line[: len(line) - len(line.lstrip())]
        lines += [indent + comment for comment in comments.get(number, [])]
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def flow_yaml(value: Any) -> str:
    """Write a value on one line: `0.5`, `{kind: sgd, momentum: 0.9}`."""
    return _dump([value], flow=True).strip()[1:-1]


def to_plain(node: Node) -> Any:
    """Return the value of a node without locations."""
    if isinstance(node.value, dict):
        return {key: to_plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(value) for value in node.value]
    return node.value


def _comments(tree: Node, shown: Node) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of the shown recipe above which comments belong."""
    if isinstance(tree.value, dict) and isinstance(shown.value, dict):
        pairs = [(node, shown.value[key]) for key, node in tree.value.items()]
    elif isinstance(tree.value, list) and isinstance(shown.value, list):
        pairs = list(zip(tree.value, shown.value, strict=True))
    else:
        return
    for node, twin in pairs:
        if node.comment and twin.key.line is not None and not _overridden(node):
            yield twin.key.line, node.comment.split("\n")
        yield from _comments(node, twin)


def _overridden(node: Node) -> bool:
    """Return whether a value comes from the command line, which has no lines."""
    value = node.value
    nodes = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list) and value:
        return any(map(_overridden, nodes))  # type: ignore[arg-type]
    return node.location.line is None


def _dump(value: Any, *, flow: bool) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow,
        width=float("inf"),
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes strings that either YAML 1.1 or strict YAML would take for more."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        text = isinstance(plain_scalar(data), str)
        style = '"' if not data.isprintable() else None if text else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)
