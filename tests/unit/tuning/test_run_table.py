"""Tables of runs: which folders are runs, their state, and what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from seq2seq.tuning.run_table import read_run
from tests.helpers.cli import invoke
from tests.helpers.runs import make_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs of two dropouts: finished, killed and failed; and no run beside."""
    for name, dropout in (("a", 0.1), ("b", 0.2), ("deep/c", 0.2)):
        run = make_run(tmp_path / name, dropout=dropout)
        header = "step,seconds,valid_bleu\n"
        rows = "500,60,20.5\n1000,7200,19.5\n"
        (run / "metrics.csv").write_text(header + rows)
    (tmp_path / "a" / "summary.json").write_text('{"steps": 1200, "seconds": 7300}')
    scores = tmp_path / "a" / "evaluation" / "test"
    scores.mkdir(parents=True)
    (scores / "scores.json").write_text('{"bleu": {"score": 18.25}}')
    outcome = {"state": "failed", "reason": "not finite"}
    (tmp_path / "deep" / "c" / "outcome.json").write_text(json.dumps(outcome))
    (tmp_path / "no-run").mkdir()
    (tmp_path / "no-run" / "recipe.yaml").write_text("extends: quickstart\n")
    return tmp_path


def test_a_table_has_only_what_differs_and_how_each_training_ended(
    folder: Path,
) -> None:
    status, out, errors = invoke("runs", str(folder))
    assert (status, errors) == (0, "")
    title, head, *rows = out.splitlines()
    assert title == "3 runs"
    columns = ["run", "dropout", "valid BLEU", "test", "steps", "time", "state"]
    assert head.split("\t") == columns
    assert [row.split("\t")[1:] for row in rows] == [
        ["0.1", "20.50", "18.25", "1,200", "2 h 2 min", "finished"],
        ["0.2", "20.50", "", "1,000", "2 h 0 min", "killed at step 1,000"],
        ["0.2", "20.50", "", "1,000", "2 h 0 min", "failed: not finite"],
    ]


def test_a_run_whose_lock_is_held_is_running(folder: Path) -> None:
    with FileLock(folder / "b" / ".lock"):
        _, out, _ = invoke("runs", str(folder / "b"), "--json")
    (row,) = json.loads(out)
    assert row["state"] == "running"
    assert row["settings"] == {}  # Nothing differs from nothing.


def test_a_damaged_run_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a" / "recipe.yaml").write_text("data: 5\n")
    _, out, _ = invoke("runs", str(folder))
    states = [line.split("\t")[-1] for line in out.splitlines()[2:]]
    assert states[0].startswith("unreadable: ")
    assert states[1:] == ["killed at step 1,000", "failed: not finite"]


def test_why_a_run_failed_before_its_recipe_was_written_is_shown(folder: Path) -> None:
    run = folder / "deep" / "c"
    (run / "recipe.yaml").unlink()
    assert read_run(run).state == "failed: not finite"


def test_curves_of_all_runs_are_one_picture(folder: Path) -> None:
    picture = folder / "curves.svg"
    status, _, _ = invoke("runs", str(folder), "--curves", str(picture))
    assert status == 0
    svg = picture.read_text()
    assert all(svg.count(f">{name}<") == 1 for name in "abc")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing"),
        (["no-run"], "no run folder here"),
        ([".", "--curves", "c.png"], "must end in .svg"),
    ],
)
def test_what_is_no_run_is_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    status, _, errors = invoke("runs", *arguments)
    assert status == 1
    assert message in errors
    assert len(errors.splitlines()) == 1
