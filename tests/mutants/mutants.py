"""Mutate a random hundred places of the code; list the mutants that no test detects.

    make mutants
    python tests/mutants/mutants.py --count 20 --seed 0badcafe

Cosmic Ray (https://cosmic-ray.readthedocs.io) makes the mutants: another operator,
constant, condition or decorator, a loop without iterations. A place is drawn, then one
of its mutants, since some operators have eleven. Not drawn are mutants that do not
compile, and those of types and of the kinds of parameters; there are none of text. Each
is put into a copy of the commit, and the tests of its package and of those that use it
run until one fails, in a process that is forked once torch is loaded.

The seed is the first eight hex digits of the commit. Results are appended to
.mutants/COMMIT-SEED.jsonl, and the same command goes on from there. A time-out does not
count as killed. The exit status is 0 unless the tests fail without a mutant.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from compileall import compile_dir
from contextlib import suppress
from itertools import islice
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec

TESTS = {
    "seq2seq/nn/*.py": "nn models training",
    "seq2seq/models/*.py": "models engines training translate",
    "seq2seq/search/*.py": "search models translate",
    "seq2seq/metrics/*.py": "metrics evaluation",
    "seq2seq/data/*.py": "data training",
    "seq2seq/data/phrasebook/*.py": "data",
    "seq2seq/training/optim*.py": "training",
}
"""The code that is mutated, and the folders of unit tests that run, in this order."""

WORD_LISTS = ("lexicon.py", "function_words.py")
PYTEST = ["-x", "-q", "-p", "no:cacheprovider"]
# Plugins of pytest are among what is imported before it starts.
PYTEST += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
IMPORTS = (
    "torch lightning.pytorch datasets sentencepiece sacrebleu hypothesis onnxruntime"
)


def meaning(code: str) -> str:
    """Return the syntax tree without types and kinds of parameters.

    Raises:
        SyntaxError: If it is no Python.
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.test = ast.Constant(None)
        elif isinstance(node, ast.arguments):  # Which ones only have names, or none.
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [d for d in (*node.defaults, *node.kw_defaults) if d]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


def mutant(mutation: MutationSpec) -> str | None:
    """Return the mutated code; None if it does not compile or changes types alone."""
    code = mutation.module_path.read_text(encoding="utf-8")
    operator = get_operator(mutation.operator_name)()
    mutated = mutate_code(code, operator, mutation.occurrence)
    with suppress(SyntaxError):
        if mutated is not None and meaning(mutated) != meaning(code):
            return mutated
    return None


def draw(paths: list[Path], seed: str) -> Iterator[MutationSpec]:
    """Yield a mutation of each place, in random order."""
    database = WorkDB(":memory:", WorkDB.Mode.create)
    init(paths, database, {})
    places: dict[tuple[str, tuple[int, int]], list[MutationSpec]] = {}
    for item in database.work_items:
        (mutation,) = item.mutations
        place = str(mutation.module_path), tuple(mutation.start_pos)
        places.setdefault(place, []).append(mutation)
    order = random.Random(int(seed, 16))
    for place in order.sample(sorted(places), len(places)):
        mutations = sorted(places[place], key=lambda m: (m.operator_name, m.occurrence))
        order.shuffle(mutations)
        yield from islice(filter(mutant, mutations), 1)


def tests_of(path: Path) -> list[list[str]]:
    """Return the test files for a module: those that name it, and the others."""
    (folders,) = (TESTS[pattern] for pattern in TESTS if path.match(pattern))
    module = ".".join(path.with_suffix("").parts)
    first, then = [], []
    for folder in folders.split():
        for file in sorted(Path("tests/unit", folder).glob("test_*.py")):
            named = path.stem in file.name or module in file.read_text(encoding="utf-8")
            (first if named else then).append(str(file))
    return [files for files in (first, then) if files]


def run_tests(files: list[str], limit: float) -> tuple[int, str]:
    """Run tests in a forked process, until one fails.

    Returns:
        Its exit status, or minus the signal that ended it, SIGALRM after the time
        limit in seconds; and its output.
    """
    output = Path("output.txt")
    child = os.fork()
    if child == 0:
        os.setsid()
        stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        signal.setitimer(signal.ITIMER_REAL, limit)
        os._exit(pytest.main([*PYTEST, *files]))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    text = output.read_text(encoding="utf-8", errors="replace")
    if status > pytest.ExitCode.INTERRUPTED:
        sys.exit(f"pytest could not run:\n{text}")
    return status, text


def run(mutation: MutationSpec, limit: float) -> dict[str, str | int]:
    """Put a mutant in the place of its module, and run the tests."""
    path, mutated = mutation.module_path, mutant(mutation)
    assert mutated is not None
    code = path.read_text(encoding="utf-8")
    start = time.monotonic()
    path.write_text(mutated, encoding="utf-8")
    try:
        for files in tests_of(path):
            status, output = run_tests(files, limit)
            if status:
                break
    finally:
        path.write_text(code, encoding="utf-8")
    outcome = {0: "survived", -signal.SIGALRM: "timed out"}.get(status, "killed")
    failed = [row for row in output.splitlines() if row.startswith(("FAILED", "ERROR"))]
    line = mutation.start_pos[0]
    return {
        "place": f"{path}:{line}",
        "mutation": mutation.operator_name.removeprefix("core/"),
        "outcome": outcome,
        "by": failed[0][:200] if failed else "",
        "seconds": round(time.monotonic() - start),
        "was": code.splitlines()[line - 1].strip(),
        "is": mutated.splitlines()[line - 1].strip(),
    }


def run_all(log: Path, seed: str, count: int) -> None:
    """Run the mutants that are not in the log, in this folder, and append them."""
    paths = sorted(path for pattern in TESTS for path in Path().glob(pattern))
    mutable = [path for path in paths if path.name not in WORD_LISTS]
    start = time.monotonic()
    every = {file for path in mutable for part in tests_of(path) for file in part}
    status, output = run_tests(sorted(every), 24 * 3600)
    if status:
        sys.exit(f"the tests fail without a mutant:\n{output}")
    limit = 60 + 2 * (time.monotonic() - start)
    done = len(log.read_text().splitlines()) if log.exists() else 0
    for mutation in islice(draw(mutable, seed), done, count):
        row = run(mutation, limit)
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row["outcome"], row["place"], row["mutation"], flush=True)


def main() -> None:
    """Draw, test, and print the survivors and a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", help="hex digits; those of the commit if left out")
    arguments = parser.parse_args()
    git = ["git", "rev-parse", "--short=8", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout[:8]
    seed = arguments.seed or commit
    log = Path(".mutants").resolve() / f"{commit}-{seed}.jsonl"
    log.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pack = ["git", "archive", "--output", f"{folder}/commit.tar", "HEAD"]
        subprocess.run(pack, check=True)
        subprocess.run(["tar", "xf", "commit.tar"], cwd=folder, check=True)
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.environ |= {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
        # Mutants change faster than times of files, by which bytecode is dated.
        mode = PycInvalidationMode.CHECKED_HASH
        compile_dir("seq2seq", quiet=1, invalidation_mode=mode)
        for name in IMPORTS.split():
            importlib.import_module(name)
        run_all(log, seed, arguments.count)
        os.chdir(log.parent)
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    for row in rows:
        if row["outcome"] != "killed":
            print(f"\n{row['outcome']}: {row['place']} {row['mutation']}")
            print(f"  - {row['was']}\n  + {row['is']}")
    counts = Counter(row["outcome"] for row in rows)
    print(f"\ncommit {commit}, seed {seed}: {len(rows)} mutants")
    for outcome in ("killed", "survived", "timed out"):
        print(f"{outcome:<10} {counts[outcome]:>4}")


if __name__ == "__main__":
    main()
