"""What a translation says that fails, is interrupted or takes long."""

from __future__ import annotations

import gzip
import io
import logging
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seq2seq.cli import app
from seq2seq.translate import TranslationOptions
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.translate.translate_file import FileOptions, translate_file
from seq2seq.utils.files import count_lines
from seq2seq.utils.progress import LineProgress
from tests.helpers.screens import Clock, Terminal
from tests.helpers.translate_cli import LINES, call


def pasted(says: str) -> list[str]:
    """The arguments of the command that a message ends with."""
    command = says.split("go on with: ")[1].removesuffix("\n")
    name, *arguments = shlex.split(command.removesuffix(" (and the same input)"))
    assert name == "seq2seq"
    return arguments


def test_a_failed_translation_says_how_to_go_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "the input.txt", tmp_path / "out"
    whole = ("\n".join(LINES) + "\n").encode()
    source.write_bytes(whole + b"\xff\n" + whole)
    arguments = ["translate", str(run), str(source), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["seq2seq", *arguments, "--buffer-size", "4"])
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda self: self != source and is_file(self))
    says = call(*sys.argv[1:], "--strict-utf8")[1]
    monkeypatch.undo()
    assert "is not UTF-8" in says
    assert "10 lines are kept; go on with: seq2seq translate" in says
    assert "\n" not in says
    assert not output.exists()
    source.write_bytes(whole + b"No\n" + whole)
    assert call(*pasted(says), "--strict-utf8")[1] == ""
    assert output.read_bytes().count(b"\n") == 21


@pytest.mark.parametrize("buffers", [0, 2])
def test_an_interrupt_says_how_far_it_got_and_how_to_go_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffers: int
) -> None:
    source, output, plain = tmp_path / "in", tmp_path / "out", tmp_path / "plain"
    source.write_text("".join(f"{line}\n" for line in LINES))
    arguments = ["translate", str(run), str(source), "--buffer-size", "3", "--output"]
    call(*arguments, plain)
    append, left = ResumableOutput.append, buffers

    def interrupted(self: ResumableOutput, outputs: Any) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        append(self, outputs)

    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["seq2seq", *arguments, str(output)])
        patch.setattr(ResumableOutput, "append", interrupted)
        done = CliRunner().invoke(app, sys.argv[1:])
    assert done.exit_code == 130
    assert done.stderr.count("\n") == 1
    if not buffers:
        assert done.stderr == (
            "interrupted after 0 of 10 lines (0%); give the same command again\n"
        )
        return
    assert done.stderr.startswith("interrupted after 6 of 10 lines (60%); go on with: ")
    # What an earlier process did counts as well.
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["seq2seq", *pasted(done.stderr)])
        patch.setattr(ResumableOutput, "append", interrupted)
        again = CliRunner().invoke(app, sys.argv[1:])
    assert again.stderr == done.stderr
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["seq2seq", *arguments, str(output)])
        says = call(*sys.argv[1:])[1]
    assert "holds 6 lines of a translation that was interrupted" in says
    assert pasted(says) == pasted(done.stderr)
    assert call(*pasted(done.stderr))[1] == ""
    assert output.read_bytes() == plain.read_bytes()


def test_ctrl_c_ends_a_pipe_with_one_line_and_status_130(
    run: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "seq2seq", "translate", str(run), "--output"]
    command += [str(tmp_path / "out"), "--buffer-size", "1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(b"A dog.\nThe cat.\n")
        process.stdin.flush()
        journal = tmp_path / "out.partial.journal"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        says = process.stderr.read().decode()
    assert process.returncode == 130
    assert says.startswith("interrupted after ")
    assert says.endswith(" --resume (and the same input)\n")
    assert says.count("\n") == 1


def test_what_goes_to_standard_output_cannot_be_resumed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.write_text("A dog.\n")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.translate.translate_file.translate_file", interrupted)
    done = CliRunner().invoke(app, ["translate", str(run), str(source)])
    assert done.exit_code == 130
    assert done.stderr == (
        "interrupted after 0 lines; only --output F can be resumed\n"
    )


def test_an_interrupted_distillation_goes_on_by_the_same_command(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seq2seq.translate.distill.distill", interrupted)
    done = CliRunner().invoke(app, ["distill", str(run), str(tmp_path / "corpus")])
    assert done.exit_code == 130
    assert done.stderr == "interrupted; the same command goes on from there\n"


class Minutes(Clock):
    """A minute passes between any two readings."""

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.mark.parametrize("terminal", [True, False])
def test_files_have_their_total_on_the_screen(
    run: Path, tmp_path: Path, terminal: bool
) -> None:
    inputs = [tmp_path / "a.txt", tmp_path / "b.txt.gz"]
    inputs[0].write_text("A dog.\nThe cat.")
    inputs[1].write_bytes(gzip.compress(b"No\n" * 3))
    screen = Terminal() if terminal else io.StringIO()
    translate_file(
        run,
        FileOptions(inputs=inputs, output=tmp_path / "out"),
        progress=LineProgress(screen, Minutes()),
    )
    shown = screen.getvalue().replace("\r", "").replace("\x1b[K", "")
    assert "5 of 5 lines (100%), " in shown
    assert " a second, 0:00:00 left" in shown
    assert shown.endswith(" a second\n")
    assert shown.splitlines()[-1].split("5 lines in ")[1]


def test_progress_is_that_of_batches_not_of_buffers(run: Path, tmp_path: Path) -> None:
    source, screen = tmp_path / "in", Terminal()
    source.write_text("A dog.\n" * 40)
    translate_file(
        run,
        FileOptions(inputs=[source], output=tmp_path / "out"),
        options=TranslationOptions(batch_size=10),
        progress=LineProgress(screen, Minutes()),
    )
    shown = [line.split(" ")[0] for line in screen.getvalue().split("\r") if line]
    assert shown[:5] == ["10", "20", "30", "40", "40"]


def test_translations_on_the_same_terminal_are_progress_enough(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Output(Terminal):
        buffer = io.BytesIO()

    source, screen = tmp_path / "in", Terminal()
    source.write_text("A dog.\n")
    monkeypatch.setattr(sys, "stdout", Output())
    progress = LineProgress(screen, Minutes())
    translate_file(run, FileOptions(inputs=[source]), progress=progress)
    assert Output.buffer.getvalue().count(b"\n") == 1
    assert screen.getvalue() == ""


def test_quiet_shows_no_progress(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.write_text("A dog.\n")
    monkeypatch.setattr("seq2seq.utils.progress.LOG_SECONDS", -1.0)
    arguments = ["translate", run, source, "--output", tmp_path / "out"]
    assert "1 of 1 line (100%)" in call(*arguments)[1]
    monkeypatch.setattr(logging.getLogger("seq2seq"), "level", logging.WARNING)
    assert call(*arguments)[1] == ""


def test_lines_are_counted_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for content, count in ((b"", 0), (b"a", 1), (b"a\n", 1), (b"\n\r\nb\rc", 3)):
        path.write_bytes(content)
        assert count_lines(path) == count
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(b"a\n" * 9000)[:-10])
    assert count_lines(damaged) is None
    assert count_lines(tmp_path / "missing") is None
    assert FileOptions(inputs=[path, damaged]).num_lines() is None
    assert FileOptions(inputs=[path, path]).num_lines() == 6
