"""No module unpickles files or evaluates code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "seq2seq"


def _is_false(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and node.value is True)


FORBIDDEN: dict[str, Callable[[ast.Call], bool]] = {
    "torch.load": lambda call: (
        not any(
            word.arg == "weights_only" and not _is_false(word.value)
            for word in call.keywords
        )
    ),
    "np.load": lambda call: (
        not any(
            word.arg == "allow_pickle" and _is_false(word.value)
            for word in call.keywords
        )
    ),
    "torch.jit.load": lambda call: True,
    "torch.hub.load": lambda call: True,
    "eval": lambda call: True,
    "exec": lambda call: True,
}


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe_names(code: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name in PICKLES]
        elif isinstance(node, ast.ImportFrom) and node.module in PICKLES:
            names.append(node.module)
        elif isinstance(node, ast.keyword) and node.arg in (
            "weights_only",
            "allow_pickle",
            "trust_remote_code",
        ):
            safe = node.arg == "weights_only"
            if not isinstance(node.value, ast.Constant) or node.value.value != safe:
                names.append(node.arg)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in FORBIDDEN and FORBIDDEN[name](node):
                names.append(name)
    return names


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=maybe)",
        "trainer.fit(weights_only=False)",
        "import pickle",
        "from pickle import loads",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "load_dataset(name, trust_remote_code=True)",
        "eval(text)",
    ],
)
def test_the_lint_finds_what_runs_code(code: str) -> None:
    assert unsafe_names(code)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem
)
def test_no_code_runs_what_a_file_brings(path: Path) -> None:
    assert unsafe_names(path.read_text(encoding="utf-8")) == []
