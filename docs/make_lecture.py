"""Fill the tour, docs/lecture.md and docs/lecture.zh.md, from runs of its commands.

    python docs/make_lecture.py                      run all stops, write all
    python docs/make_lecture.py --only hello bptt    run these
    python docs/make_lecture.py --check              run, write nothing, compare
    python docs/make_lecture.py --fill               run nothing, fill the pages

How it works. `docs/lecture/stops.py` has the stops in order: the place in the code, the
commands, and the figures: where each number is read, how it is written, how far it may
move. A run writes the numbers into `docs/lecture/figures.json` and plots into
`docs/lecture/STOP.svg`. The pages are prose with markers, which hold what the last run
wrote between them, so Git shows what moved:

    <!-- stop hello -->                      a line above the stop's heading
    <!-- hello.loss -->0.003<!-- / -->       a figure, amid a sentence or a table
    <!-- hello.commands --> ... <!-- / -->   on lines of their own: commands to paste
    <!-- hello.code --> ... <!-- / -->       likewise: link and excerpt of the code
    <!-- hello.seconds -->9<!-- / -->        processor time of the commands, in seconds
    <!-- tasks.md -->81.06<!-- / -->         quoted: the test holds that tasks.md has it

So a page in another language is its prose, the same markers (with nothing in them, to
begin with) and `--fill`. A plot is linked as `![what it shows](lecture/hello.svg)`.
Each stop has its parts in the order of `PARTS`, the last but one only where counting
applies. A figure whose value is text, such as samples, stands on lines of its own, in a
code block. A figure that no run has measured is filled as "?", which the test refuses.

Commands run one after the other in a folder that is empty but for `data`, a link to
--data, with one thread. Stops whose data is not there are skipped, and it is said.
`tests/docs/test_lecture.py` holds that the pages have what figures.json and the code
have, and that the commands are valid.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "lecture")]

from readers import Code, Outputs, Stop  # noqa: E402
from stops import STOPS  # noqa: E402

FIGURES = DOCS / "lecture" / "figures.json"
PARTS = {
    "lecture.md": (
        "Ask",
        "Equation",
        "Place",
        "Command",
        "What came out",
        "Counting",
        "What would have fooled you",
    ),
    "lecture.zh.md": (
        "先猜",
        "公式",
        "代码",
        "命令",
        "结果",
        "计数基线",
        "容易上当的地方",
    ),
}
"""Parts of a stop in each page, in bold; the last but one where counting applies."""
MARKER = re.compile(r"<!-- ([\w-]+\.[\w-]+) -->(.*?)<!-- / -->", re.S)
QUOTED = "tasks.md"
"""Marker of a figure that docs/tasks.md has, of a run that takes minutes."""
MOST_LINES = 15
"""Lines of an excerpt of code."""
Figures = dict[str, Any]


def excerpt(code: Code) -> str:
    """Return lines of a symbol's body, without its docstring.

    Raises:
        ValueError: If the symbol or the first line has gone, or it is too long.
    """
    text = (ROOT / code.path).read_text(encoding="utf-8")
    node: Any = ast.parse(text)
    for name in code.symbol.split("."):
        inner = (child for child in node.body if getattr(child, "name", "") == name)
        node = next(inner, None)
        if node is None:
            raise ValueError(f"{code.path} has no {code.symbol}")
    body = node.body[1:] if ast.get_docstring(node) else node.body
    lines = text.splitlines()[body[0].lineno - 1 : node.end_lineno]
    starts = [i for i, x in enumerate(lines) if x.strip().startswith(code.first)]
    if not starts:
        raise ValueError(f"{code.symbol} has no line that begins with {code.first}")
    lines = lines[starts[0] :][: code.lines]
    if len(lines) > MOST_LINES:
        raise ValueError(f"{code.symbol} has {len(lines)} lines; choose {MOST_LINES}")
    return textwrap.dedent("\n".join(lines))


def content(name: str, figures: Figures) -> str:
    """Return what a run or the code put between a marker and its end."""
    stop = next(stop for stop in STOPS if stop.name == name.split(".")[0])
    if name.endswith(".commands"):
        return "\n```sh\n" + "\n".join(stop.commands) + "\n```\n"
    if name.endswith(".code"):
        path = f"[{stop.code.path}](../{stop.code.path})"
        code = excerpt(stop.code)
        return f"\n{path}, `{stop.code.symbol}`:\n\n```python\n{code}\n```\n"
    value = figures.get(name)
    if value is None:
        return "?"
    if name.endswith(".seconds"):
        return f"{value:,.0f}"
    if isinstance(value, str):
        return f"\n```text\n{value}\n```\n"
    return stop.figures[name.split(".")[1]].text.format(value)


def fill(page: str, figures: Figures) -> str:
    """Return a page with the content of all markers."""
    return MARKER.sub(
        lambda m: (
            m[0]
            if m[1] == QUOTED
            else f"<!-- {m[1]} -->{content(m[1], figures)}<!-- / -->"
        ),
        page,
    )


def run_stop(stop: Stop, folder: Path) -> tuple[Figures, str | None]:
    """Run a stop's commands, and return its figures and its plot.

    Args:
        stop: The stop.
        folder: Where its commands run.

    Raises:
        RuntimeError: If a command fails.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    before = _processor_seconds()
    texts = []
    for command in stop.commands:
        program, *rest = shlex.split(command)
        if program == "seq2seq":
            arguments = [sys.executable, "-m", "seq2seq", *rest]
        else:
            arguments = [sys.executable, str(ROOT / rest[0]), *rest[1:]]
        done = subprocess.run(
            arguments, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command}\n{done.stderr or done.stdout}")
        texts.append(done.stdout)
    outputs = Outputs(folder, texts)
    figures = {
        f"{stop.name}.{name}": figure.read(outputs)
        for name, figure in stop.figures.items()
    }
    figures[f"{stop.name}.seconds"] = round(_processor_seconds() - before, 1)
    return figures, None if stop.plot is None else stop.plot(outputs)


def moved(stop: Stop, new: Figures, old: Figures) -> list[str]:
    """Return a line for each figure of a stop that left its tolerance."""
    lines = []
    for key, figure in stop.figures.items():
        name = f"{stop.name}.{key}"
        if name not in old or isinstance(new[name], str):
            continue
        limit = figure.absolute + figure.relative * abs(old[name])
        if not abs(new[name] - old[name]) <= limit:
            lines.append(f"{name} is {new[name]:g}, not {old[name]:g} ± {limit:.2g}")
    return lines


def read_figures() -> Figures:
    """Return the figures of the last run."""
    if not FIGURES.exists():
        return {}
    figures: Figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    return figures


def fill_pages(figures: Figures) -> None:
    """Write the figures and all pages."""
    order = [f"{s.name}.{key}" for s in STOPS for key in (*s.figures, "seconds")]
    figures = {name: figures[name] for name in order if name in figures}
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    FIGURES.write_text(text + "\n", encoding="utf-8")
    for name in PARTS:
        page = DOCS / name
        if page.exists():
            filled = fill(page.read_text(encoding="utf-8"), figures)
            page.write_text(filled, encoding="utf-8")


def run_stops(stops: list[Stop], folder: Path, data: Path, *, check: bool) -> list[str]:
    """Run stops and write what they yield; return what left its tolerance."""
    complaints = []
    if data.is_dir() and not (folder / "data").exists():
        (folder / "data").symlink_to(data.resolve())
    for stop in stops:
        if stop.data and not (folder / stop.data).is_dir():
            print(f"{stop.name}: skipped, since {stop.data} is missing", flush=True)
            continue
        new, plot = run_stop(stop, folder)
        old = read_figures()
        complaints += moved(stop, new, old)
        print(json.dumps(new, ensure_ascii=False), flush=True)
        if check:
            continue
        if plot is not None:
            path = DOCS / "lecture" / f"{stop.name}.svg"
            path.write_text(plot, encoding="utf-8")
        fill_pages(old | new)
    return complaints


def main() -> None:
    """Parse the arguments, run, and exit with 1 where a figure moved."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[stop.name for stop in STOPS])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--fill", action="store_true", help="run nothing")
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--folder", type=Path, help="where to run, and keep the runs")
    options = parser.parse_args()
    if options.fill:
        fill_pages(read_figures())
        return
    stops = [s for s in STOPS if options.only is None or s.name in options.only]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        complaints = run_stops(stops, folder, options.data, check=options.check)
    print("\n".join(complaints) or "every figure is within its tolerance")
    sys.exit(bool(complaints))


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
