"""Searches: a killed worker loses nothing, the test split is scored once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from seq2seq.recipe.loader import read_recipe
from seq2seq.training.module import TrainingModule
from seq2seq.tuning.study import open_study
from tests.helpers.cli import invoke

TINY = (
    Path(__file__).resolve().parents[2] / "helpers" / "tiny_recipe.yaml"
).read_text()
TUNE = """\
tune:
  trials: 3
  prune: none
  space:
    model.dropout: [0.0, 0.5]
    train.optimizer.learning_rate: {log: [1e-3, 0.5]}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY + TUNE)
    return str(path)


@pytest.fixture(scope="module")
def search(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing interrupts."""
    folder = tmp_path_factory.mktemp("search") / "s"
    status, out, errors = invoke("tune", recipe, "--output", str(folder))
    assert status == 0, errors
    assert "Not confirmed" in out
    return folder


def course(folder: Path) -> dict[str, list[list[str]]]:
    """What each trial measured, without its times."""
    return {
        path.parent.name: [
            [cell for i, cell in enumerate(line.split(",")) if i not in (2, 6)]
            for line in path.read_text().splitlines()
        ]
        for path in sorted(folder.glob("trials/*/metrics.csv"))
    }


def test_the_result_of_a_search_is_a_recipe_a_table_and_a_page(search: Path) -> None:
    result = json.loads((search / "report.json").read_bytes())
    values = {row["number"]: row["value"] for row in result["trials"]}
    assert sorted(values) == [0, 1, 2]
    assert values[result["winner"]] == min(values.values())
    assert result["base"] == 0  # The recipe as it was comes first.
    best = read_recipe(str(search / "best.yaml"))
    winner = result["trials"][result["winner"]]["values"]
    assert f"{best.model.dropout:.4g}" == winner["model.dropout"]
    assert len((search / "trials.tsv").read_text().splitlines()) == 4
    page = (search / "report.html").read_text()
    assert "Not confirmed" in page
    assert "<script src" not in page


def test_the_test_split_is_scored_once_whatever_the_search_comes_to_later(
    search: Path, recipe: str
) -> None:
    stored = (search / "test.json").read_bytes()
    assert json.loads(stored)["scores"]["bleu"]
    (search / "test.json").write_text('{"trial": 99, "missing": "for this test"}')
    status, out, _ = invoke("tune", recipe, "--output", str(search))
    assert status == 0
    assert "for this test" in out
    (search / "test.json").write_bytes(stored)


def test_a_killed_workers_trial_goes_on_with_its_values_and_the_same_bits(
    search: Path, recipe: str, tmp_path: Path
) -> None:
    folder = tmp_path / "s"
    child = os.fork()
    if not child:
        steps = 0
        inner = TrainingModule.training_step

        def step(*values: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == 9:  # Amid the second trial.
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*values)

        with mock.patch.object(TrainingModule, "training_step", step):
            invoke("tune", recipe, "--output", str(folder))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (folder / "trials" / "0001" / "summary.json").exists()
    status, _, errors = invoke("tune", recipe, "--output", str(folder))
    assert status == 0
    assert errors.splitlines()[0].startswith("trial 1: ")
    assert course(folder) == course(search)


def test_a_search_of_another_recipe_is_refused_but_more_trials_are_not(
    search: Path, recipe: str
) -> None:
    arguments = ["tune", recipe, "--output", str(search)]
    status, _, errors = invoke(*arguments, "-o", "model.word_dropout=0.1")
    assert status == 1
    assert "another recipe: model.word_dropout was 0.0, is now 0.1" in errors
    assert invoke(*arguments, "-o", "tune.hours=5")[0] == 0


def test_a_line_of_the_journal_that_was_cut_off_is_dropped(
    search: Path, recipe: str
) -> None:
    options = read_recipe(recipe).tune
    assert options is not None
    with (search / "trials.journal").open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id"')
    study = open_study(search, options, minimize=True)
    study.set_user_attr("key", "value")
    again = open_study(search, options, minimize=True)
    assert again.user_attrs == {"key": "value"}
    assert len(again.trials) == 3
