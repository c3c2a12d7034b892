"""Every argument of every verb has help, of which the terminal shows all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import seq2seq
from seq2seq.cli import app
from seq2seq.cli.examples import EXAMPLES

COMMAND = typer.main.get_command(app)


def commands(name: str = "", command: Any = COMMAND) -> Iterator[tuple[str, Any]]:
    """Names and objects of all commands and groups; the program's own name is empty."""
    yield name, command
    for verb, nested in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {verb}".strip(), nested)


VERBS = [name for name, command in commands() if not hasattr(command, "commands")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(parameter.help, id=f"{name}: {parameter.name}")
        for name, command in commands()
        for parameter in command.params
        if parameter.name != "help"
    ],
)
def test_every_argument_has_help(text: str | None) -> None:
    assert text


@pytest.mark.parametrize(("name", "command"), [*commands()])
def test_help_at_80_columns_cuts_nothing(name: str, command: Any) -> None:
    for option in ("-h", "--help"):
        result = CliRunner().invoke(app, [*name.split(), option], terminal_width=80)
        assert result.exit_code == 0
        assert max(map(len, result.output.splitlines())) <= 80
        assert "…" not in result.output
        shown = "".join(result.output.split())
        for parameter in command.params:
            assert "".join((parameter.help or "").split()) in shown
        assert "".join(command.help.split()) in shown
        for nested in getattr(command, "commands", {}).values():
            assert "".join(nested.help.splitlines()[0].split()) in shown


@pytest.mark.parametrize("name", VERBS)
def test_the_examples_of_every_verb_are_in_its_help_and_parse(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "-h"], terminal_width=80).output
    section = shown.partition("Examples:\n")[2]
    examples = [line.strip() for line in section.splitlines() if line.strip()]
    assert examples
    assert examples == EXAMPLES[name]
    for example in examples:
        words = shlex.split(example.rpartition("| ")[2].partition(" > ")[0])
        assert words[: 1 + len(name.split())] == ["seq2seq", *name.split()]
        command: Any = dict(commands())[name]
        command.make_context(name, words[1 + len(name.split()) :])


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"seq2seq {seq2seq.__version__}\n")


def complete(shell: str, instruction: str, **variables: str) -> str:
    """Run the program as a shell's completion does."""
    program = (
        "import sys; sys.argv[0] = 'seq2seq'; from seq2seq.cli import main; main()"
    )
    environment = {**os.environ, "_SEQ2SEQ_COMPLETE": f"{instruction}_{shell}"}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    return result.stdout


@pytest.mark.parametrize(
    ("shell", "register"),
    [
        ("bash", "complete -o default -F _seq2seq_completion seq2seq"),
        ("zsh", "compdef _seq2seq_completion seq2seq"),
        ("fish", "complete --command seq2seq"),
    ],
)
def test_the_completion_script_registers_the_command(shell: str, register: str) -> None:
    script = complete(shell, "source")
    assert register in script
    assert "_SEQ2SEQ_COMPLETE" in script


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("seq2seq tra", ["train", "translate"]),
        ("seq2seq recipe s", ["show", "schema"]),
        ("seq2seq train --dev", ["--device", "--devices"]),
    ],
)
def test_names_are_completed(words: str, completions: list[str]) -> None:
    count = str(len(words.split()) - 1)
    bash = complete("bash", "complete", COMP_WORDS=words, COMP_CWORD=count)
    assert sorted(bash.split()) == sorted(completions)
    for shell in ("zsh", "fish"):
        out = complete(
            shell,
            "complete",
            _TYPER_COMPLETE_ARGS=words,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
        )
        assert all(completion in out for completion in completions)


def test_an_option_has_the_same_help_in_every_verb_that_translates() -> None:
    verbs = dict(commands())
    bench = verbs["bench translate"]
    for verb in (verbs["translate"], verbs["evaluate"]):
        helps = {option.name: option.help for option in verb.params}
        for option in bench.params:
            if option.name in helps and option.name != "run":
                assert option.help == helps[option.name], option.name
