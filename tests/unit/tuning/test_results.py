"""What a search's result is worth: confirmation, pruning, trainings given up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seq2seq.recipe.loader import read_recipe
from seq2seq.tuning.jobs import (
    MAX_STARTS,
    Job,
    PrunedError,
    train_job,
    write_outcome,
)
from seq2seq.tuning.results import TrialRow, read_confirmation, winner_of
from seq2seq.tuning.trials import ReportValidations, Search

TINY = str(Path(__file__).resolve().parents[2] / "helpers" / "tiny_recipe.yaml")


def search_of(folder: Path, metric: str) -> Search:
    study: Any = None
    return Search(folder, read_recipe(TINY), [], metric, study)


def write_runs(folder: Path, name: str, metric: str, values: list[float]) -> None:
    """Finished runs with seeds 2, 3 ... whose best checkpoint has these values."""
    for seed, value in enumerate(values, 2):
        run = folder / "confirm" / f"{name}-seed-{seed}"
        run.mkdir(parents=True)
        rows = f"step,{metric},best\n2,{value},1\n4,{value - 50},0\n"
        (run / "metrics.csv").write_text(rows)
        (run / "summary.json").write_text("{}")


@pytest.mark.parametrize(
    ("metric", "winner", "difference", "confirmed"),
    [
        ("valid_bleu", [10, 11, 12], 2, False),
        ("valid_bleu", [14, 15, 16], 6, True),
        ("valid_loss", [14, 15, 16], 6, False),
        ("valid_loss", [2, 3, 4], -6, True),
    ],
)
def test_a_winner_is_confirmed_if_the_whole_interval_is_on_its_side(
    metric: str, winner: list[float], difference: float, confirmed: bool, tmp_path: Path
) -> None:
    write_runs(tmp_path, "trial-7", metric, winner)
    write_runs(tmp_path, "base", metric, [8, 9, 10])
    row = TrialRow(7, "finished", 1.0, 4, 1.0, {}, "")
    found = read_confirmation(search_of(tmp_path, metric), row)
    assert found is not None
    assert found.seeds == [2, 3, 4]
    assert found.difference == difference
    # Both deviations are 1; the 97.5% quantile of t with 2 degrees of freedom is 4.303.
    half = 4.303 * (2 / 3) ** 0.5
    assert found.interval == pytest.approx((difference - half, difference + half))
    assert found.confirmed == confirmed
    failed = tmp_path / "confirm" / "base-seed-3"
    (failed / "summary.json").unlink()
    write_outcome(failed, "failed", "not finite")
    found = read_confirmation(search_of(tmp_path, metric), row)
    assert found is not None
    assert found.seeds == [2, 4]
    other = TrialRow(8, "finished", 1.0, 4, 1.0, {}, "")
    assert read_confirmation(search_of(tmp_path, metric), other) is None


def test_the_winner_is_the_best_finished_trial_and_of_equal_ones_the_first() -> None:
    values = [3.0, None, 1.0, 1.0, 4.0, 4.0]
    rows = [TrialRow(n, "", value, 4, 1.0, {}, "") for n, value in enumerate(values)]
    lowest, highest = (winner_of(rows, minimize=minimize) for minimize in (True, False))
    assert lowest is not None
    assert highest is not None
    assert (lowest.number, highest.number) == (2, 4)
    assert winner_of(rows[1:2], minimize=True) is None


class FakeTrial:
    def __init__(self) -> None:
        self.reports: list[tuple[float, int]] = []

    def report(self, value: float, step: int) -> None:
        self.reports.append((value, step))

    def should_prune(self) -> bool:
        return len(self.reports) == 2


def test_each_validation_is_told_once_and_pruning_comes_behind_its_checkpoint() -> None:
    trial: Any = FakeTrial()
    report = ReportValidations(trial, "valid_loss", validate_every=10, reported={1})
    module: Any = None
    for step, loss in ((10, 5.0), (20, 4.0), (25, 3.0)):  # 25 is the last step.
        trainer: Any = SimpleNamespace(
            callback_metrics={"valid_loss": loss},
            global_step=step,
            sanity_checking=False,
        )
        report.on_train_batch_start(trainer, module, None, 0)
        report.on_validation_end(trainer, module)
    assert trial.reports == [(4.0, 2), (3.0, 3)]
    with pytest.raises(PrunedError, match="validation 3"):
        report.on_train_batch_start(trainer, module, None, 0)


def test_a_training_that_is_killed_again_and_again_at_one_step_counts_as_failed(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "starts.json").write_text(json.dumps({"step": 0, "starts": MAX_STARTS}))
    train_job(Job("run", run, read_recipe(TINY)), device="cpu")
    assert "killed 5 times" in json.loads((run / "outcome.json").read_text())["reason"]
    assert not (run / "train.log").exists()
