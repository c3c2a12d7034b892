"""Ensembles: the mean of the members' probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seq2seq.engines.ensemble import Ensemble
from seq2seq.engines.factory import load_engine
from seq2seq.errors import UserError
from seq2seq.runs.run import Run
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.types import PAD
from tests.helpers.runs import make_runs
from tests.helpers.translate_cli import LINES, call, lines_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


def test_an_ensemble_of_a_run_with_itself_is_the_run(runs: Path) -> None:
    one = Translator.load(runs / "one")
    twice = Translator.load(runs / "one", ensemble=[runs / "one"])
    for single, double in zip(
        one.translate_batch(LINES, TranslationOptions(align=True)),
        twice.translate_batch(LINES, TranslationOptions(align=True)),
        strict=True,
    ):
        assert double.translation == single.translation
        assert double.score == pytest.approx(single.score, abs=1e-5)
        if single.alignment is not None and double.alignment is not None:
            assert np.allclose(double.alignment.weights, single.alignment.weights)


def test_an_ensemble_means_probabilities(runs: Path) -> None:
    members = [
        load_engine([Run.open(runs / name)], precise=True)
        for name in ("one", "two", "lstm", "none")
    ]
    source = torch.tensor([[7, 8, 3], [9, 3, PAD]])
    lengths = torch.tensor([3, 2])
    last = torch.tensor([2, 2])
    ensemble = Ensemble(members)
    with torch.no_grad():
        log_probs = ensemble.step(last, *ensemble.start(source, lengths)).log_probs
        alone = [
            member.step(last, *member.start(source, lengths)).log_probs
            for member in members
        ]
    expected = torch.stack([log_prob.exp() for log_prob in alone]).mean(dim=0)
    assert torch.allclose(log_probs.exp(), expected, atol=1e-6)
    assert torch.allclose(log_probs.exp().sum(dim=1), torch.ones(2), atol=1e-6)


def test_ensembles_translate_and_score_from_the_command_line(runs: Path) -> None:
    more = ("--ensemble", runs / "two", "--ensemble", runs / "lstm")
    out, errors = call("translate", runs / "one", *more, text=b"A dog.\n")
    assert errors == ""
    others = [runs / "two", runs / "lstm"]
    assert lines_of(out) == Translator.load(runs / "one", ensemble=others)(["A dog."])


def test_runs_with_other_tokenizers_are_no_ensemble(runs: Path) -> None:
    with pytest.raises(UserError, match="have different source tokenizers"):
        Translator.load(runs / "one", ensemble=[runs / "characters"])
