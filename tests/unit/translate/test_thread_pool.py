"""Batches in a thread pool: order, torch's threads, errors, and equal text."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.thread_pool import map_threads
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_tasks(two_threads: None) -> None:
    second_is_done = threading.Event()

    def do(task: int) -> tuple[int, int, int]:
        if task == 0:
            assert second_is_done.wait(600)  # Both are under way at once.
        elif task == 1:
            second_is_done.set()
        return task, torch.get_num_threads(), threading.get_ident()

    results = list(map_threads(do, range(6), threads=2))
    assert [task for task, _, _ in results] == list(range(6))
    assert {threads for _, threads, _ in results} == {1}
    assert threading.get_ident() not in {thread for _, _, thread in results}
    assert torch.get_num_threads() == 2


def test_one_task_at_a_time_has_all_threads(two_threads: None) -> None:
    def do(task: int) -> tuple[int, int]:
        return torch.get_num_threads(), threading.get_ident()

    here = (2, threading.get_ident())
    assert list(map_threads(do, [1], threads=2)) == [here]
    assert list(map_threads(do, [1, 2, 3], threads=1)) == [here] * 3
    assert list(map_threads(do, [], threads=2)) == []


def test_the_first_error_ends_it(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    cancelled = threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def cancelling(pool: ThreadPoolExecutor, **options: bool) -> None:
        shutdown(pool, **{**options, "wait": False})
        cancelled.set()
        shutdown(pool)

    def do(task: int) -> int:
        started.append(task)
        if task == 1:
            raise ValueError("task 1")
        if task > 1:
            assert cancelled.wait(600)
        return task

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", cancelling)
    with pytest.raises(ValueError, match="task 1"):
        list(map_threads(do, range(1000), threads=2))
    assert len(started) <= 4  # The two, and one that each thread had begun.
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("beam_size", [1, 3])
def test_threads_change_no_text(
    tmp_path: Path, two_threads: None, beam_size: int
) -> None:
    translator = Translator.load(make_run(tmp_path / "run"))
    lines = LINES * 9
    options = translator.with_beam_size(TranslationOptions(batch_size=8), beam_size)
    texts = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        texts.append(translator(lines, options=options))
    assert texts[0] == texts[1] == texts[2]
    assert len(set(texts[0])) > 3


def test_what_does_not_fit_in_parallel_is_tried_alone(
    tmp_path: Path, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(make_run(tmp_path / "run"))
    torch.set_num_threads(2)  # The run was made with one.
    options = TranslationOptions(batch_size=8)
    expected = translator(LINES * 9, options=options)
    start, attempts = translator.engine.start, []

    def full(source: torch.Tensor, *rest: object) -> object:
        attempts.append((len(source), threading.current_thread()))
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError
        return start(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(translator.engine, "start", full)
    assert translator(LINES * 9, options=options) == expected
    assert any(thread is not threading.main_thread() for _, thread in attempts)
