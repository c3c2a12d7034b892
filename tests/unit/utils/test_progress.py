"""The progress of lines, on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from seq2seq.utils.progress import LOG_SECONDS, LineProgress
from tests.helpers.screens import Clock, Terminal


def test_a_terminal_has_done_total_rate_and_time_left_and_then_the_totals() -> None:
    screen, clock = Terminal(), Clock()
    progress = LineProgress(screen, clock)
    clock.now += 50  # Loading does not count.
    progress.start(total=4000)
    clock.now += 10
    # Half of the thousand were there already.
    progress.show(1000, 500)
    assert screen.getvalue() == (
        "\r1,000 of 4,000 lines (25%), 50 a second, 0:01:00 left\x1b[K"
    )
    clock.now += 0.1
    progress.show(1010, 510)
    assert screen.getvalue().count("\r") == 1
    clock.now += 49.9
    progress.show(4000, 3500)
    assert "4,000 of 4,000 lines (100%), 58.3 a second, 0:00:00 left" in (
        screen.getvalue()
    )
    progress.close(complete=True)
    assert screen.getvalue().endswith("\r\x1b[K4,000 lines in 0:01:00, 58.3 a second\n")


def test_a_log_has_a_line_a_minute() -> None:
    screen, clock = io.StringIO(), Clock()
    progress = LineProgress(screen, clock)
    progress.start(total=1000)
    for minute in range(1, 4):
        clock.now += LOG_SECONDS - 1
        progress.show(120 * minute - 2, 120 * minute - 2)
        assert screen.getvalue().count("\n") == minute - 1
        clock.now += 1
        progress.show(120 * minute, 120 * minute)
        assert screen.getvalue().count("\n") == minute
    progress.close(complete=True)
    assert screen.getvalue().split("\n") == [
        "120 of 1,000 lines (12%), 2 a second, 0:07:20 left",
        "240 of 1,000 lines (24%), 2 a second, 0:06:20 left",
        "360 of 1,000 lines (36%), 2 a second, 0:05:20 left",
        "360 lines in 0:03:00, 2 a second",
        "",
    ]


def test_what_ends_within_a_minute_leaves_a_log_empty() -> None:
    screen, clock = io.StringIO(), Clock()
    progress = LineProgress(screen, clock)
    progress.start()
    clock.now += 30
    progress.show(10, 10)
    progress.close(complete=True)
    assert screen.getvalue() == ""


def test_a_stream_has_no_total_and_no_time_left() -> None:
    screen, clock = Terminal(), Clock()
    progress = LineProgress(screen, clock)
    progress.start()
    clock.now += 2
    progress.show(1, 1)
    assert screen.getvalue() == "\r1 line, 0.5 a second\x1b[K"


@pytest.mark.parametrize("visible", [True, False])
def test_what_is_interrupted_or_hidden_leaves_no_totals(visible: bool) -> None:
    screen, clock = Terminal(), Clock()
    progress = LineProgress(screen, clock)
    progress.start(total=10, visible=visible)
    clock.now += 5
    progress.show(4, 4)
    progress.close(complete=not visible)
    assert screen.getvalue().endswith("\r\x1b[K" if visible else "")
    assert bool(screen.getvalue()) == visible
    assert progress.describe() == "4 of 10 lines (40%)"


def test_lines_that_are_not_yet_written_are_shown_and_not_kept() -> None:
    screen, clock = Terminal(), Clock()
    progress = LineProgress(screen, clock)
    progress.start(total=100)
    clock.now += 5
    progress.show(20, 10, pending=30)
    assert "50 of 100 lines (50%), 8 a second, 0:00:06 left" in screen.getvalue()
    assert progress.describe() == "20 of 100 lines (20%)"


def test_no_screen_and_no_time_are_no_error() -> None:
    progress = LineProgress(None, Clock())
    progress.start(total=0)
    progress.show(0, 0)
    progress.close(complete=True)
    assert progress.describe() == "0 of 0 lines (100%)"
