"""Tables in a pipe are plain, a reader may leave, and -q and -v change what is said."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from rich.console import Console

from seq2seq import cli
from seq2seq.cli.standard_output import OutputClosed, closable_output
from seq2seq.utils.console import is_quiet, print_table, set_verbosity
from tests.unit.cli.test_help import VERBS


@pytest.fixture(autouse=True)
def _restore_verbosity() -> Iterator[None]:
    package = logging.getLogger("seq2seq")
    handlers = list(package.handlers)
    yield
    package.handlers, package.level = handlers, logging.NOTSET
    package.setLevel(logging.NOTSET)


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command line in this process, and return its status."""
    monkeypatch.setattr(sys, "argv", ["seq2seq", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code if isinstance(caught.value.code, int) else 0


@contextmanager
def abandoned_output() -> Iterator[None]:
    """Make standard output a pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream, redirect_stdout(stream):
        yield


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_ends_as_by_sigpipe_when_its_reader_has_left(
    verb: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with abandoned_output():
        assert call(monkeypatch, *verb.split(), "-h") == 141
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    ["recipe ls", "recipe show quickstart", "recipe schema", "translate {run} {lines}"],
)
def test_results_whose_reader_has_left_end_as_by_sigpipe(
    words: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("a\n" * 3, encoding="utf-8")
    text = words.format(run=run, lines=lines)
    with abandoned_output():
        assert call(monkeypatch, *text.split()) == 141
    assert "Traceback" not in capfd.readouterr().err


def test_what_is_printed_after_the_reader_has_left_is_dropped() -> None:
    dropped = []

    def write() -> None:
        with abandoned_output(), closable_output():
            try:
                print("x" * 100_000)
            finally:
                print("y" * 100_000)
                dropped.append("y")

    with pytest.raises(OutputClosed):
        write()
    assert dropped == ["y"]


def test_an_interrupted_verb_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.recipe.loader.recipe_names", interrupt)
    assert call(monkeypatch, "recipe", "ls") == 130
    assert capsys.readouterr().err == "interrupted\n"


# Tables -------------------------------------------------------------------------------

LONG = "a long cell " * 20
ROWS = [("one", "1.50\n1.0 to 2.0"), (LONG, "[bold]2[/bold]")]


def table_on(console: Console) -> str:
    print_table(console, "title", ("name", "score"), ROWS, numeric=["score"])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_in_a_pipe_has_a_line_of_tab_separated_cells_per_row() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    assert table_on(console).splitlines() == [
        "title",
        "name\tscore",
        "one\t1.50 1.0 to 2.0",
        f"{LONG.strip()}\t[bold]2[/bold]",
    ]


def test_a_table_on_a_terminal_is_drawn_and_cuts_nothing() -> None:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=40, color_system=None
    )
    text = table_on(console)
    assert "┏" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("long") == LONG.count("long")


def test_no_module_draws_a_table_but_by_print_table() -> None:
    package = Path(cli.__file__).parents[1]
    drawing = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "rich.table" in path.read_text(encoding="utf-8")
    ]
    assert drawing == ["utils/console.py"]
    assert "rich.table" in (package / "utils" / "console.py").read_text(
        encoding="utf-8"
    )


# Verbosity ----------------------------------------------------------------------------


def test_quiet_leaves_hints_out_and_keeps_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, words in enumerate((["-q", "recipe"], ["recipe"], ["recipe"])):
        after = ["-q"] if number == 1 else []
        assert (
            call(monkeypatch, *words, "cp", "quickstart", f"{number}.yaml", *after) == 0
        )
        assert ("then: seq2seq train" in capsys.readouterr().out) == (number == 2)
        assert (tmp_path / f"{number}.yaml").is_file()
        set_verbosity(quiet=False, verbose=False)
    assert call(monkeypatch, "-q", "recipe", "show", "quickstart") == 0
    assert "max_steps: 1800" in capsys.readouterr().out


def test_verbose_prints_debug_lines_and_where_an_error_was_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "recipe", "show", "quickstrat", "-v") == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "error: quickstrat: " in error
    assert error.endswith("`seq2seq recipe ls` lists the shipped recipes\n")
    assert call(monkeypatch, "recipe", "validate", "quickstart") == 0
    assert "quickstart.yaml" in capsys.readouterr().err


def test_quiet_training_prints_nothing_but_warnings(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from seq2seq.runs.run import Run
    from seq2seq.training.log_handlers import console_handler, logging_to
    from seq2seq.training.train import train
    from tests.helpers.runs import make_run

    run = make_run(tmp_path / "run")
    (run / "summary.json").write_text("{}", encoding="utf-8")
    for quiet in (False, True):
        set_verbosity(quiet=quiet, verbose=False)
        console = Console()
        train(Run.open(run).recipe, run, console=console)
        assert ("is finished" in capfd.readouterr().out) is not quiet
        assert console.quiet is quiet  # Progress bars.
        with logging_to(console_handler(console)):
            logging.getLogger("seq2seq").info("a step")
            logging.getLogger("seq2seq").warning("a warning")
        assert capfd.readouterr() == (
            ("", "a warning\n") if quiet else ("a step\na warning\n", "")
        )


def test_quiet_and_verbose_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "recipe", "ls", "-q", "-v") == 2
    assert "contradict each other" in capsys.readouterr().err
    assert not is_quiet()
