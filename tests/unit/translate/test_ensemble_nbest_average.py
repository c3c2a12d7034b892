"""N-best lists, scores, ensembles, and averages of weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.engines.ensemble import Ensemble
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.runs.run import Run
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter
from seq2seq.translate.sequence_scorer import SequenceScorer
from seq2seq.types import PAD
from tests.helpers.runs import make_run, tokenizer
from tests.helpers.translate_cli import LINES, call, lines_of, piped


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with another seed, one whose sizes differ too, one without attention."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "one")
    make_run(folder / "two", seed=2)
    lstm = {"cell": "lstm", "layers": 1, "hidden_size": 10}
    make_run(folder / "lstm", seed=3, encoder=lstm, decoder=lstm)
    make_run(folder / "none", seed=4, attention={"kind": "none"})
    make_run(folder / "characters", model_type="char")
    return folder


@pytest.mark.parametrize("n_best", [2, 3])
def test_several_translations_are_sorted_distinct_and_begin_with_the_best(
    runs: Path, n_best: int
) -> None:
    translator = Translator.load(runs / "one")
    long = ["A dog sleeps. " * 6]
    options = TranslationOptions(n_best=n_best, max_input_length=20)
    translations = translator.translate_batch(LINES + long, options)
    alone = translator(LINES + long, options=TranslationOptions(max_input_length=20))
    assert [translation.text for translation in translations] == alone
    for translation in translations:
        texts = [hypothesis.text for hypothesis in translation.hypotheses]
        scores = [hypothesis.score for hypothesis in translation.hypotheses]
        assert len(set(texts)) == len(texts) <= n_best
        assert scores == sorted(scores, reverse=True)
        assert bool(texts) == (translation.num_segments > 0)
    assert any(len(t.hypotheses) == n_best for t in translations)


def test_several_translations_are_written_in_every_form(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    (translation, blank) = translator.translate_batch(
        ["A dog.", ""], TranslationOptions(n_best=2)
    )
    (first, second) = translation.hypotheses
    assert blank.score is None

    def written(output_format: Any) -> list[str]:
        writer = OutputWriter(output_format, n_best=2)
        text = b"A dog.\n\n"
        return piped(
            translator, text, options=TranslationOptions(n_best=2), writer=writer
        )

    assert written("text") == [
        f"0 ||| {first.text} ||| {first.score:.6f}",
        f"0 ||| {second.text} ||| {second.score:.6f}",
        "1 |||  ||| 0",
    ]
    row, empty = written("tsv")
    assert row.split("\t")[:2] == ["A dog.", first.text]
    assert row.split("\t")[3] == second.text
    assert empty == "\t" * 4
    objects = [json.loads(line) for line in written("jsonl")]
    assert objects[0]["n_best"][1] == {
        "translation": second.text,
        "score": second.score,
    }
    assert objects[1]["n_best"] == []


def teacher_forced(engine: Any, sources: list[list[int]], targets: Any) -> list[float]:
    with torch.no_grad():
        batch = collate(sources, targets)
        log_probs = engine.log_probs(batch).masked_fill(batch.targets == PAD, 0.0)
    return list(log_probs.sum(dim=1).tolist())


@pytest.mark.parametrize("names", [["one"], ["none"], ["one", "two", "lstm"]])
def test_what_a_beam_finds_has_the_score_of_the_given_translation(
    runs: Path, names: list[str]
) -> None:
    opened = open_runs(runs / names[0], [runs / name for name in names[1:]])
    engine = load_engine(opened)
    sources = [ids for ids in tokenizer().encode(LINES) if ids]
    batch = collate(sources, [[] for _ in sources])
    with torch.no_grad():
        state, memory = engine.start(batch.source, batch.source_lengths)
        options = SearchOptions(beam_size=4, max_length_ratio=0.5)
        constraints = DecodingConstraints.from_length_ratio(
            batch.source_lengths, options
        )
        results = beam_search(
            engine.step, state, memory, constraints, options, hypotheses=4
        )
    pairs = [
        (source, hypothesis)
        for source, hypotheses in zip(sources, results, strict=True)
        for hypothesis in hypotheses
        if hypothesis.finished
    ]
    assert len(pairs) > len(sources)
    forced = teacher_forced(
        engine,
        [source for source, _ in pairs],
        [hypothesis.tokens for _, hypothesis in pairs],
    )
    expected = [hypothesis.log_prob for _, hypothesis in pairs]
    assert forced == pytest.approx(expected, abs=1e-4)


def test_a_score_does_not_depend_on_the_batch(runs: Path) -> None:
    scorer = SequenceScorer.load(runs / "one")
    pairs = [*zip(LINES, LINES[::-1], strict=True), ("", ""), ("A dog.", "")]
    whole = list(scorer(pairs))
    assert list(scorer(pairs, batch_size=1)) == pytest.approx(whole, abs=1e-9)
    assert [next(iter(scorer([pair]))) for pair in pairs] == pytest.approx(
        whole, abs=1e-9
    )
    assert all(score < 0 for score in whole)


def test_scores_of_files(runs: Path, tmp_path: Path) -> None:
    source, target, output = (tmp_path / name for name in ("s", "t", "out"))
    source.write_text("A dog.\n\nNo\n")
    target.write_text("Ein Hund.\nx\n\n")
    both = ("--source", source, "--target", target)
    out, _ = call("score", runs / "one", *both)
    assert len(lines_of(out)) == 3
    scored = list(SequenceScorer.load(runs / "one")([("A dog.", "Ein Hund.")]))
    assert float(lines_of(out)[0]) == pytest.approx(scored[0], abs=1e-6)
    call("score", runs / "one", *both, "--output", output)
    assert output.read_text() == out
    target.write_text("Ein Hund.\n")
    _, errors = call("score", runs / "one", *both)
    assert f"{source} has more lines than {target}, which has 1" in errors


def test_an_ensemble_of_a_run_with_itself_is_the_run(runs: Path) -> None:
    one = Translator.load(runs / "one")
    twice = Translator.load(runs / "one", ensemble=[runs / "one"])
    for single, double in zip(
        one.translate_batch(LINES, TranslationOptions(align=True)),
        twice.translate_batch(LINES, TranslationOptions(align=True)),
        strict=True,
    ):
        assert double.text == single.text
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
        (["one", "nowhere"], "is no run folder"),
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


@pytest.mark.parametrize("n_best", [1, 3])
def test_samples_do_not_depend_on_batches(runs: Path, n_best: int) -> None:
    translator = Translator.load(runs / "one")
    search = translator.recipe.search.model_copy(
        update={"method": "sample", "beam_size": 1}
    )
    whole = translator.translate_batch(
        LINES, TranslationOptions(search=search, n_best=n_best)
    )
    alone = [
        translator.translate_batch(
            [line], TranslationOptions(search=search, n_best=n_best, batch_size=1)
        )[0]
        for line in LINES
    ]
    assert [t.text for t in whole] == [t.text for t in alone]
    assert any(len(t.hypotheses) == n_best for t in whole)
