"""Commands on a run of several language pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from seq2seq.engines.onnx.export import export as export_onnx
from seq2seq.errors import UserError
from seq2seq.runs.export_model import export_model
from seq2seq.runs.run import Run
from seq2seq.runs.task_run import TaskRun
from seq2seq.training.train import train
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.input_splitting import Segment
from seq2seq.translate.joining import _attention_weights
from seq2seq.translate.line_pipeline import LinePipeline
from seq2seq.translate.sequence_scorer import SequenceScorer
from seq2seq.types import Hypothesis
from tests.helpers.cli import invoke
from tests.helpers.many_languages import make_many_run, recipe_of, write_corpus

LINES = ["Der Mann schläft. Die Frau liest.", "", "<2fr> ein Hund", "Katze " * 60]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    return make_many_run(folder / "run", write_corpus(folder / "corpus"))


def test_a_language_must_be_named_and_changes_the_translation(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    status, out, error = invoke("translate", str(run), str(tmp_path / "in"))
    assert (status, out) == (1, "")
    assert "translates into en, fr; name one: --to fr" in error
    texts = {}
    for language in ("en", "fr"):
        output = tmp_path / language
        arguments = ["translate", str(run), str(tmp_path / "in"), "--to", language]
        assert invoke(*arguments, "--output", str(output))[0] == 0
        texts[language] = output.read_text(encoding="utf-8")
        translator = Translator.load(run, to=language)
        assert texts[language].split("\n")[:-1] == translator(LINES)
    assert texts["en"] != texts["fr"]
    assert Translator.load(run, to="en").into("fr")(LINES) == translator(LINES)
    with pytest.raises(UserError, match="into fr, en, not 'cs'"):
        translator.into("cs")


def test_every_segment_begins_with_its_language_once(run: Path) -> None:
    translator = Translator.load(run, to="fr")
    plain = translator.source.with_prefix(())
    pipeline = LinePipeline(translator, TranslationOptions(max_input_length=20))
    two, none, one, long = (line.segments for line in pipeline.segment(LINES))
    sentences = plain.encode(["Der Mann schläft.", "Die Frau liest."])
    assert [segment.ids for segment in two] == [[5, *ids] for ids in sentences]
    assert (none, [s.ids for s in one]) == ([], [[5, *plain.encode(LINES[2:3])[0]]])
    assert len(long) > 2
    assert {(s.ids[0], s.ids.count(5)) for s in long} == {(5, 1)}


def test_words_are_aligned_with_words_alone(run: Path) -> None:
    translator = Translator.load(run, to="fr")
    options = TranslationOptions(align=True, sentences="keep")
    (translation,) = translator.translate_batch(LINES[:1], options)
    assert translation.alignment is not None
    assert " ".join(translation.alignment.source) == LINES[0]
    hypothesis = Hypothesis((9,), 0.0, 0.0, finished=True, attention=torch.eye(2, 4))
    segment = Segment([5, 7, 8], ["▁Der", "▁Mann"])  # Attention to <2fr> alone.
    assert _attention_weights(segment, hypothesis).tolist() == [[0.0, 0.0]]
    pair = (LINES[0], "The man.")
    into = [next(SequenceScorer.load(run, to=to)([pair])) for to in ("fr", "en")]
    assert abs(into[0] - into[1]) > 0.1


def test_exports_translate_into_every_language(run: Path, tmp_path: Path) -> None:
    export_onnx(Run.open(run), int8=False)
    export_model(TaskRun.open(run), tmp_path / "model")
    for language in ("en", "fr"):
        expected = Translator.load(run, to=language)(LINES)
        for engine in ("torch", "onnx"):
            path = tmp_path / "model"
            translator = Translator.load(path, to=language, engine=engine)
            assert translator(LINES) == expected
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "- de\n- en\n- fr\n" in card
    assert "It translates de to en, en to fr" in card
    assert "--to en" in card
    config = json.loads((tmp_path / "model" / "config.json").read_bytes())
    assert config["languages"]["pairs"] == [["de", "en"], ["en", "fr"]]


def test_every_pair_is_scored_with_its_own_text_and_the_mean_is_of_the_trained(
    run: Path, tmp_path: Path
) -> None:
    status, out, _ = invoke("evaluate", str(run), "--json")
    assert status == 0
    content = json.loads(out)
    assert content["zero_shot"] == ["de-fr"]
    scores = {pair: s["chrf"]["score"] for pair, s in content["pairs"].items()}
    assert list(scores) == ["de-en", "en-fr", "de-fr"]
    assert content["mean"]["chrf"] == (scores["de-en"] + scores["en-fr"]) / 2
    sources = (run.parent / "corpus" / "test.de").read_text("utf-8").splitlines()
    saved = run / "evaluation" / "test.de-fr" / "hypotheses.txt"
    expected = Translator.load(run, to="fr")(sources)
    assert saved.read_text("utf-8").split("\n")[:-1] == expected
    status, out, _ = invoke("evaluate", str(run), "--to", "fr")
    assert "en-fr" in out
    assert "de-fr (zero-shot)" in out
    assert "de-en" not in out
    output = tmp_path / "report"
    status, out, error = invoke(
        "report", str(run), "--to", "fr", "--output", str(output), "--samples", "40"
    )
    assert status == 0, error
    page = (output / "report.md").read_text(encoding="utf-8")
    assert "en → fr" in page
    assert "mean" in page
    assert "\\(zero\\-shot\\)" in page or "(zero-shot)" in page.replace("\\", "")


def test_a_server_has_a_model_for_every_pair(run: Path) -> None:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    from seq2seq.serve.server import load_models

    models = load_models(
        [run], TranslationOptions(), engine="torch", device="cpu", overrides=()
    )
    assert [model.languages for model in models] == [("de", "en"), ("en", "fr")]
    texts = [model.translator(LINES) for model in models]
    assert texts == [Translator.load(run, to=to)(LINES) for to in ("en", "fr")]


@pytest.mark.slow
def test_a_training_on_many_languages_resumes_to_the_same_bits(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    recipe = recipe_of(corpus, validate_every=4, checkpoint_every=1)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "halves")
    (tmp_path / "halves" / "summary.json").unlink()
    (tmp_path / "halves" / "checkpoints" / "last.ckpt").unlink()
    train(recipe, tmp_path / "halves")
    whole, halves = (
        Run.open(tmp_path / name).network().state_dict() for name in ("whole", "halves")
    )
    torch.testing.assert_close(halves, whole, rtol=0, atol=0)
    header = (tmp_path / "whole" / "metrics.csv").read_text().split("\n")[0]
    assert "valid_bleu,valid_bleu_de-en,valid_bleu_en-fr,best" in header
