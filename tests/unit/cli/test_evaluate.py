"""seq2seq evaluate of files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seq2seq.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def seq2seq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in an empty folder: its status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seq2seq", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def chinese(tmp_path: Path) -> tuple[str, ...]:
    """Write a Chinese translation, and return the command that scores it."""
    reference = "我今天早上在学校门口见到了老师。\n他们明天要坐火车去北京看朋友。\n"
    (tmp_path / "r").write_text(reference, encoding="utf-8")
    (tmp_path / "h").write_text(reference.replace("早", "晚"), encoding="utf-8")
    return ("evaluate", "--hypothesis", "h", "--reference", "r")


def test_files_are_not_scored_without_their_language(
    seq2seq: Command, chinese: tuple[str, ...]
) -> None:
    status, out, errors = seq2seq(*chinese)
    assert (status, out, errors.count("\n")) == (1, "", 1)
    assert "seq2seq evaluate --hypothesis h --reference r --language de" in errors


@pytest.mark.parametrize("language", ["zh", "zh-Hans", "zho_Hans"])
def test_chinese_files_are_scored_as_chinese(
    seq2seq: Command, chinese: tuple[str, ...], language: str
) -> None:
    status, out, errors = seq2seq(*chinese, "--language", language, "--json")
    assert status == 0, errors
    score = json.loads(out)["bleu"]
    assert score["score"] > 80
    assert "tok:zh" in score["signature"]


@pytest.mark.parametrize("verb", ["evaluate", "report", "compare"])
def test_a_code_that_is_no_language_is_refused(
    seq2seq: Command, chinese: tuple[str, ...], verb: str
) -> None:
    systems = {"evaluate": ("--hypothesis", "h"), "report": ("h",)}
    command = (verb, *systems.get(verb, ("h", "h")), "--reference", "r")
    status, out, errors = seq2seq(*command, "--language", "jp")
    assert (status, out, errors.count("\n")) == (1, "", 1)
    assert "--language jp: ISO 639 has no such code" in errors
    assert "Japanese ja" in errors


def test_the_language_of_a_run_is_its_own(seq2seq: Command, tmp_path: Path) -> None:
    status, _, errors = seq2seq("evaluate", str(tmp_path), "--language", "fr")
    assert status == 1
    assert "--language fr goes with --hypothesis" in errors


def test_swapped_arguments_of_translate_are_named(
    seq2seq: Command, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "recipe.yaml").touch()
    (tmp_path / "in.txt").touch()
    status, _, errors = seq2seq("translate", "in.txt", "runs")
    assert status == 1
    assert errors == (
        "error: in.txt is a file, and runs the run folder, which comes first: seq2seq "
        "translate runs in.txt\n"
    )


def test_every_fault_of_a_recipe_is_an_error_of_status_1(seq2seq: Command) -> None:
    status, _, errors = seq2seq("recipe", "show", "quickstart", "-o", "a=1", "-o", "b")
    lines = errors.splitlines()
    assert (status, len(lines)) == (1, 2)
    assert all(line.startswith("error: -o ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--source", "h"), "--source needs --reference F"),
        (("run", "--reference", "r"), "--reference needs --source F"),
        (("--hypothesis", "h"), "--hypothesis needs --reference F"),
    ],
)
def test_a_missing_option_is_named_alone(
    seq2seq: Command, arguments: tuple[str, ...], says: str
) -> None:
    status, _, errors = seq2seq("evaluate", *arguments)
    assert status == 1
    assert says in errors
    assert "or RUN with" not in errors


def test_files_of_unequal_length_are_named(seq2seq: Command, tmp_path: Path) -> None:
    (tmp_path / "h").write_text("a\nb\nc\n")
    (tmp_path / "r").write_text("a\n")
    expected = "error: h has 3 lines, but r has 1 reference; "
    files = ("--hypothesis", "h", "--reference", "r", "--language", "de")
    assert seq2seq("evaluate", *files)[2].startswith(expected)
    files = ("run", "--source", "h", "--reference", "r")
    assert seq2seq("evaluate", *files)[2].startswith(expected)


@pytest.mark.parametrize("verb", ["report h", "compare h h", "evaluate --hypothesis h"])
def test_a_missing_language_is_one_message_to_paste(
    seq2seq: Command, chinese: tuple[str, ...], verb: str
) -> None:
    command = (*verb.split(), "--reference", "r")
    _, _, errors = seq2seq(*command)
    start, _, paste = errors.partition(": seq2seq ")
    assert start == (
        "error: files of hypotheses need --language, since BLEU's tokenizer depends on "
        "it"
    )
    status, _, errors = seq2seq(*shlex.split(paste.split(",")[0]))
    assert status == 0, errors
