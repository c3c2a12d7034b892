"""Several processes translate what one does, in its order, and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.process_pool import (
    TranslatorPool,
    TranslatorProcess,
    _read_ahead,
)
from tests.helpers.runs import make_run, slow
from tests.helpers.translate_cli import LINES, call, translate_to


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.mark.slow
def test_a_process_that_dies_is_named_and_the_rest_continues_to_one_processs_bytes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, whole = (tmp_path / name for name in ("in", "out", "whole"))
    source.write_text("\n".join(LINES * 20), encoding="utf-8")
    options = ["--n-best", "2", "--beam", "2", "--buffer-size", "16"]
    translate_to(run, source, whole, *options, "--alignments", f"{whole}.align")
    options += ["--alignments", f"{output}.align", "--devices"]
    calls = count(1)  # Two threads call; only one gets each number.
    translate_batch = TranslatorProcess.translate_batch

    def failing(worker: TranslatorProcess, lines: list[str]) -> list[Translation]:
        if next(calls) == 7:
            worker.process.kill()
        return translate_batch(worker, lines)

    with monkeypatch.context() as patch:
        patch.setattr(TranslatorProcess, "translate_batch", failing)
        error = translate_to(run, source, output, *options, "2")
    assert " of 2 (id " in error
    assert "was killed by SIGKILL amid a translation" in error
    assert "\n" not in error
    assert not output.exists()
    assert len((tmp_path / "out.partial").read_bytes()) > 0
    assert translate_to(run, source, output, *options, "1", "--resume") == ""
    assert output.read_bytes() == whole.read_bytes()
    assert Path(f"{output}.align").read_bytes() == Path(f"{whole}.align").read_bytes()
    assert len(list(tmp_path.iterdir())) == 5


def children(process: int) -> set[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_what_is_done_comes_at_once_and_an_interrupt_ends_all(run: Path) -> None:
    command = [sys.executable, "-m", "seq2seq", "translate", str(run), "--devices", "2"]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(
        command, **pipes, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        process.stdin.write("\n".join(LINES[:4]).encode())  # The end is yet to come.
        process.stdin.flush()
        first = process.stdout.readline()
        workers = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.stderr.read()
        status = process.wait()
    assert first.decode() == call("translate", run, text=LINES[0].encode())[0]
    assert status == 130
    assert b"Traceback" not in errors
    assert len(workers) >= 2
    assert not any(map(alive, workers))


def alive(process: int, *, seconds: float = 600) -> bool:
    """Return whether a process runs on; a zombie does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
        except OSError:
            return False
        if state.split()[0] in "ZX":
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
def test_results_come_in_order_and_a_fault_in_its_turn() -> None:
    def tasks() -> Iterator[tuple[int, list[str] | None]]:
        for number in range(8):
            yield number, None if number == 3 else [str((7 - number) / 20)]
        yield 8, ["bad"]
        yield 9, ["0"]

    texts = []
    pool = TranslatorPool(slow, TranslationOptions(), ["a", "b"], threads=1)
    with pool:
        results = pool.results(tasks())
        for number, translations in islice(results, 8):
            text = "" if translations is None else translations[0].translation
            texts.append((number, text.split(" on ")[0]))
            assert text == "" or text.endswith((" on a with 1", " on b with 1"))
        with pytest.raises(UserError, match=r"^this cannot be done\.$"):
            next(results)
    expected = ["" if number == 3 else str((7 - number) / 20) for number in range(8)]
    assert texts == list(enumerate(expected))
    assert not pool.workers


def test_no_more_is_read_ahead_than_there_is_room_for() -> None:
    num_read = 0

    def tasks() -> Iterator[tuple[int, list[str]]]:
        nonlocal num_read
        for num_read in range(1000):
            yield num_read, []

    def submit(lines: list[str]) -> Future[list[Translation]]:
        done: Future[list[Translation]] = Future()
        done.set_result([])
        return done

    others = set(threading.enumerate())
    ahead = _read_ahead(tasks(), submit, max_pending=4)
    for number in range(20):
        assert next(ahead)[0] == number
        (reader,) = set(threading.enumerate()) - others
        while num_read < number + 5:
            time.sleep(0.001)
        assert num_read <= number + 6
    ahead.close()
    reader.join(600)
    assert not reader.is_alive()
    assert num_read <= 30


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_translates_as_the_cpu_does(run: Path) -> None:
    options = TranslationOptions(n_best=3, align=True)
    translations, expected = (
        Translator.load(run, device=device).translate_batch(LINES, options)
        for device in ("cuda", "cpu")
    )
    assert [t.translation for t in translations] == [t.translation for t in expected]
    assert [t.alignment for t in translations] == [t.alignment for t in expected]
