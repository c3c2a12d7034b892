"""What a search pays for being able to report its steps, when nobody watches.

The same beam search runs as it is and with every branch for a watcher cut out of its
source: bytecode instructions of both are counted, which needs no quiet machine, and
with --callgrind the processor's as well.

    python tests/benchmarks/watcher.py
    python tests/benchmarks/watcher.py --callgrind     # minutes; needs valgrind
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from seq2seq.recipe import SearchOptions
from seq2seq.search import beam_search as module
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.types import BOS, StepOutput

VOCABULARY, SENTENCES, LENGTH, REPEATS = 2000, 8, 20, 5


class Rows:
    """The sentence of each row: a state and a memory."""

    def __init__(self, sentences: torch.Tensor) -> None:
        self.sentences = sentences

    def select(self, rows: torch.Tensor) -> Rows:
        """Keep these rows."""
        return Rows(self.sentences[rows])


class WithoutWatcher(ast.NodeTransformer):
    """Cuts what only a watcher needs."""

    def visit_If(self, node: ast.If) -> Any:
        """Leave out `if watcher is not None: ...`."""
        self.generic_visit(node)
        return None if ast.unparse(node.test) == "watcher is not None" else node

    def visit_Call(self, node: ast.Call) -> Any:
        """Leave out `watcher=watcher`."""
        self.generic_visit(node)
        node.keywords = [word for word in node.keywords if word.arg != "watcher"]
        return node


def stripped() -> Callable[..., Any]:
    """Return the beam search without its branch for a watcher."""
    tree = WithoutWatcher().visit(ast.parse(inspect.getsource(module)))
    source = ast.unparse(ast.fix_missing_locations(tree))
    if "watcher is not None" in source or "report(" in source:
        raise SystemExit(
            "the branch for a watcher is not where it was: see stripped()."
        )
    twin = ModuleType("seq2seq.search.beam_search_without_watcher")
    exec(compile(source, "beam_search_without_watcher.py", "exec"), vars(twin))
    return twin.beam_search  # type: ignore[no-any-return]


def search(function: Callable[..., Any]) -> Callable[[], Any]:
    """Return a search over a table of bigrams."""
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(VOCABULARY, VOCABULARY, generator=generator).log_softmax(dim=1)

    def step(last: torch.Tensor, state: Rows, memory: Rows) -> StepOutput[Rows]:
        return StepOutput(table[last], state)

    rows = Rows(torch.full((SENTENCES,), BOS))
    limits = DecodingConstraints(max_lengths=torch.full((SENTENCES,), LENGTH))
    return lambda: function(step, rows, rows, limits, SearchOptions(beam_size=5))


def count_bytecode(call: Callable[[], Any]) -> int:
    """Count the bytecode instructions of a call."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return count


def count_processor(name: str) -> int:
    """Count the processor's instructions of a few searches, by callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        command += [f"--callgrind-out-file={folder}/out", sys.executable, __file__]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        result = subprocess.run(
            [*command, "--only", name],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
    match = re.search(r"Collected : (\d+)", result.stderr)
    assert match is not None, result.stderr[-500:]
    return int(match.group(1)) // REPEATS


def measure(call: Callable[[], Any]) -> None:
    """Search a few times under callgrind, which leaves out start and import."""
    call()
    toggle = ["callgrind_control", "-i"]
    subprocess.run([*toggle, "on", str(os.getpid())], check=True, capture_output=True)
    for _ in range(REPEATS):
        call()
    subprocess.run([*toggle, "off", str(os.getpid())], check=True, capture_output=True)


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callgrind", action="store_true")
    parser.add_argument("--only", choices=["with", "without"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    calls = {"with": search(module.beam_search), "without": search(stripped())}
    if arguments.only:
        return measure(calls[arguments.only])
    assert repr(calls["with"]()) == repr(calls["without"]())
    counts = {"bytecode": {n: count_bytecode(call) for n, call in calls.items()}}
    if arguments.callgrind:
        counts["processor"] = {name: count_processor(name) for name in calls}
    for kind, of in counts.items():
        more = of["with"] - of["without"]
        print(
            f"{kind}: {of['with']:,} instructions with the branch, {of['without']:,} "
            f"without it: {more:,} more, {more / of['without']:.3%}"
        )


if __name__ == "__main__":
    main()
