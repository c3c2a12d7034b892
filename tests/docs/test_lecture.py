"""The tour has what the code, the commands and the last run have.

`docs/make_lecture.py` writes it; its docstring says how.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from seq2seq.cli import app
from seq2seq.recipe.loader import read_recipe

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def load() -> Any:
    spec = importlib.util.spec_from_file_location(
        "make_lecture", DOCS / "make_lecture.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lecture = load()
PAGES = [name for name in lecture.PARTS if (DOCS / name).exists()]
FIGURES = lecture.read_figures()
STOPS = {stop.name: stop for stop in lecture.STOPS}
QUICK = ("hello", "one-hot", "bptt")
"""Stops that take 20 seconds of processor time together."""
SLOW = ("one-to-one", "cell", "shared-weights", "many-to-one", "clipping")
"""Stops of a minute together; `python docs/make_lecture.py --check` runs all."""


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


COMMANDS = sorted(
    {
        line
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", text_of(page), re.S)
        for line in block.splitlines()
    }
)
"""All that a reader may paste: the stops' commands, and longer ones that are quoted."""


def sections(page: str) -> dict[str, str]:
    """The stops of a page, by name."""
    _, *parts = re.split(r"<!-- stop ([\w-]+) -->\n", text_of(page))
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_all_stops_in_order(page: str) -> None:
    assert list(sections(page)) == list(STOPS)
    assert re.findall(r"^## (\d+)\.", text_of(page), re.M) == [
        str(number) for number in range(1, len(STOPS) + 1)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_numbers_commands_and_code_are_those_of_the_last_run_and_the_source(
    page: str,
) -> None:
    assert text_of(page) == lecture.fill(text_of(page), FIGURES)


@pytest.mark.parametrize("page", PAGES)
def test_every_stop_has_its_parts_in_order_its_figures_and_its_plot(page: str) -> None:
    parts = lecture.PARTS[page]
    for name, section in sections(page).items():
        names = re.findall(r"^\*\*(.+?)[.。]\*\*", section, re.M)
        assert [part for part in names if part in parts] == [
            part for part in parts if part in names or part != parts[-2]
        ], name
        markers = {marker for marker, _ in lecture.MARKER.findall(section)}
        needed = {f"{name}.{key}" for key in STOPS[name].figures}
        needed |= {f"{name}.commands", f"{name}.code", f"{name}.seconds"}
        assert needed <= markers, needed - markers
        assert {
            n for n in needed if n.split(".")[1] not in ("commands", "code")
        } <= set(FIGURES)
        if STOPS[name].plot is not None:
            assert f"](lecture/{name}.svg)" in section
            assert (DOCS / "lecture" / f"{name}.svg").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_figures_that_are_quoted_are_those_of_the_page_of_tasks(page: str) -> None:
    markers = lecture.MARKER.findall(text_of(page))
    quoted = {value for name, value in markers if name == lecture.QUOTED}
    tasks = set(re.findall(r"[\d.,]*\d", text_of("tasks.md")))
    assert quoted
    assert quoted <= tasks, f"not in docs/tasks.md: {quoted - tasks}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_valid(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "python":
        assert (ROOT / words[0]).is_file()
        return
    assert program == "seq2seq"
    verb: Any = get_command(app)
    names = ["seq2seq"]
    while hasattr(verb, "commands"):
        names.append(words.pop(0))
        verb = verb.commands[names[-1]]
    context = verb.make_context(" ".join(names), words)
    if names[1] == "train":
        read_recipe(context.params["recipe"], context.params["override"] or [])


def test_an_excerpt_of_code_that_has_gone_or_grown_is_an_error() -> None:
    path = "seq2seq/nn/bridge.py"
    code = lecture.Code(path, "CopyBridge.forward")
    assert lecture.excerpt(code) == "return final_state"
    for other in (
        code._replace(symbol="CopyBridge.backward"),
        code._replace(first="return nothing"),
        lecture.Code("seq2seq/nn/decoder.py", "Decoder.__init__", lines=16),
    ):
        with pytest.raises(ValueError, match="has"):
            lecture.excerpt(other)


def test_a_figure_that_leaves_its_tolerance_is_named() -> None:
    stop = STOPS["hello"]
    assert lecture.moved(stop, FIGURES, FIGURES) == []
    (line,) = lecture.moved(stop, FIGURES | {"hello.loss": 0.5}, FIGURES)
    assert line.startswith("hello.loss is 0.5, not ")
    nan = FIGURES | {"hello.loss": float("nan")}
    assert len(lecture.moved(stop, nan, FIGURES)) == 1


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_a_stop_yields_its_figures_again(name: str, tmp_path: Path) -> None:
    new, plot = lecture.run_stop(STOPS[name], tmp_path)
    assert lecture.moved(STOPS[name], new, FIGURES) == []
    assert (plot is None) == (STOPS[name].plot is None)
