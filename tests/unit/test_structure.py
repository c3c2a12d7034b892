"""The shape of the house: imports point down, recipes parse, commands are real."""

from __future__ import annotations

import ast
import builtins
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from seq2seq.cli import app
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe, recipe_names

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "seq2seq"

# A module imports from rows below its own only, but for modules of its own folder.
LAYERS = [
    ["cli"],
    ["serve", "prepare", "tuning"],
    ["evaluation", "benchmark"],
    ["translate"],
    ["training"],
    ["engines"],
    ["runs"],
    ["tasks"],
    ["data", "search", "models"],
    ["metrics", "baselines"],
    ["nn"],
    ["recipe"],
    ["utils"],
    ["types", "errors"],
]
_PRIVATE = (
    "demands wish wishes contest judge keeper asked looked looks told beside passed "
    "said found each place"
)
PRIVATE_WORDS = frozenset(_PRIVATE.split(" "))
"""No term of the field: an identifier says what it holds."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("seq2seq.")}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_point_down(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] in ("__init__", "__main__"):
        return
    for name in imported(path):
        room = name.split(".")[1]
        if room == parts[0]:
            continue
        assert LEVEL[parts[0]] < LEVEL[room], f"{path.name} imports {name}"


def test_only_four_modules_stand_at_the_top() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "errors.py",
        "types.py",
    }


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in (PACKAGE, ROOT / "tests")
        for path in folder.rglob("*.py")
    }
    assert not {path: length for path, length in lengths.items() if length > 400}


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield names, attributes, arguments, keywords and keys with their lines.

    Left out: what an import brings from elsewhere, and builtins, such as
    FileNotFoundError.
    """
    foreign = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not _is_ours(node.module):
            foreign |= {alias.name for alias in node.names}
    for node in ast.walk(tree):
        names: list[str | None] = []
        if isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.arg | ast.keyword):
            names = [node.arg]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            names = [node.name]
        elif isinstance(node, ast.alias):
            names = [node.asname]
        elif isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            names = [key for key in keys if isinstance(key, str)]
        for name in names:
            if name is not None and name not in foreign:
                yield getattr(node, "lineno", 0), name


def _is_ours(module: str | None) -> bool:
    return (module or "").split(".")[0] == "seq2seq"


def private_words(source: str) -> list[str]:
    return [
        f"{line}: {name}"
        for line, name in identifiers(ast.parse(source))
        if PRIVATE_WORDS & {w.lower() for w in re.findall(r"[A-Z]?[a-z]+", name)}
    ]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_identifiers_hold_no_private_words(path: Path) -> None:
    assert private_words(path.read_text(encoding="utf-8")) == []


def test_private_words_are_seen_wherever_a_name_can_stand() -> None:
    source = """
def f(told, *, beside=1) -> None:
    x.wasFound = {"a place": 1, "place_of": 2}
    g(each_one=1)
class Judge: pass
import os as looked
from seq2seq.errors import KeeperError
try: pass
except FileNotFoundError as said: pass
found = KeeperError
"""
    names = {line.split(": ")[1] for line in private_words(source)}
    expected = {"told", "beside", "wasFound", "a place", "place_of", "each_one"}
    assert names == expected | {"Judge", "looked", "said", "found", "KeeperError"}


@pytest.mark.parametrize("folder", ["data", "search"])
def test_rooms_without_layers_do_not_import_them(folder: str) -> None:
    for path in (PACKAGE / folder).glob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path.stem != "datamodule":
            assert "import lightning" not in source
            assert "from lightning" not in source, path
        if folder == "data" and path.stem not in ("dataset", "collate"):
            assert not re.search(r"^\s*(import|from) torch", source, re.M), path


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_reads_and_survives_a_round_trip(
    name: str, tmp_path: Path
) -> None:
    recipe = read_recipe(name)
    assert recipe.description
    copy = tmp_path / "copy.yaml"
    copy.write_text(recipe_yaml(recipe), encoding="utf-8")
    assert read_recipe(str(copy)) == recipe


def readme_commands() -> list[list[str]]:
    found = []
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.split("#")[0].split("|")[-1].strip()
            if command.startswith("seq2seq "):
                found.append(shlex.split(command)[1:])
    return found


@pytest.mark.parametrize("arguments", readme_commands(), ids=" ".join)
def test_the_readmes_commands_are_understood(arguments: list[str]) -> None:
    group = typer.main.get_command(app)
    verb, rest = arguments[0], arguments[1:]
    command = group.commands[verb]  # type: ignore[attr-defined]
    if verb in ("recipe", "bench"):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context(verb, list(rest))  # Raises on an unknown option.


def test_help_and_recipes_import_nothing_heavy() -> None:
    code = (
        "import sys; from seq2seq.cli import app; from seq2seq.recipe.loader import "
        "read_recipe; read_recipe('quickstart'); "
        "heavy = {'torch', 'lightning', 'datasets', 'sacrebleu', 'numpy'}; "
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_translating_does_not_import_lightning() -> None:
    code = (
        "import sys, seq2seq.translate; "
        "sys.exit(bool({'lightning', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_pickle_is_ever_loaded() -> None:
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"weights_only\s*=\s*False|pickle\.loads?\(", source), path


@pytest.mark.parametrize("folder", ["data", "search", "models", "metrics", "nn"])
def test_nothing_below_the_tasks_but_the_recipe_knows_one_by_name(folder: str) -> None:
    name = re.compile(r"LanguageModelRecipe|(Classification|Tagging|Captioning)[A-Z]")
    for path in (PACKAGE / folder).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert not name.search(source), path
        assert "seq2seq.tasks" not in source, path
