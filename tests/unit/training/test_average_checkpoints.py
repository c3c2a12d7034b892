"""Averages of the weights of several checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.translate import Translator
from tests.helpers.runs import make_runs
from tests.helpers.translate_cli import LINES, call


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


def test_an_average_of_a_run_with_itself_is_the_run(runs: Path, tmp_path: Path) -> None:
    checkpoint = runs / "one" / "checkpoints" / "best.ckpt"
    out, _ = call("average", runs / "one", checkpoint, "--output", tmp_path / "mean")
    assert "holds the mean of 2" in out
    assert Translator.load(tmp_path / "mean")(LINES) == Translator.load(runs / "one")(
        LINES
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mean"]


def test_weights_are_averaged_one_by_one(runs: Path, tmp_path: Path) -> None:
    call("average", runs / "one", runs / "two", "--output", tmp_path / "mean")
    one, two, mean = (
        read_checkpoint(folder / "checkpoints" / "best.ckpt")["state_dict"]
        for folder in (runs / "one", runs / "two", tmp_path / "mean")
    )
    assert one.keys() == two.keys() == mean.keys()
    for name in mean:
        assert torch.allclose(mean[name], (one[name] + two[name]) / 2)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["one", "lstm"], "model.encoder.cell is"),
        (["one", "characters"], "have different source tokenizers"),
        (["one"], "needs two runs or checkpoints at least"),
        (["one", "nowhere"], "nowhere is missing. Name a folder"),
    ],
)
def test_unequal_runs_have_no_mean(
    runs: Path, tmp_path: Path, names: list[str], says: str
) -> None:
    paths = [runs / name for name in names]
    _, errors = call("average", *paths, "--output", tmp_path / "mean")
    assert says in errors
    assert not list(tmp_path.iterdir())
    _, errors = call("average", *paths, "--output", runs / "two")
    assert "is there already" in errors or says in errors
