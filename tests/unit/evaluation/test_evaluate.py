"""Evaluation of a run: what its scores depend on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seq2seq.evaluation.evaluate import evaluate_files
from seq2seq.translate import TranslationOptions, Translator
from tests.helpers.translate_cli import call

SOURCES = ["A dog sleeps. The cat.", "No.", "We go. I see the dog."]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    source, reference = tmp_path / "source", tmp_path / "reference"
    source.write_text("".join(f"{line}\n" for line in SOURCES))
    reference.write_text("Ein Hund schläft. Die Katze.\nNein.\nWir gehen.\n")
    return [source, reference]


@pytest.mark.parametrize(
    ("multi_sentence", "splitting", "how"),
    [(0, "split", "sentence by sentence, since 0.00%"), (6, "keep", "whole, since 60")],
)
def test_scores_tell_whether_sources_of_several_sentences_were_split(
    run: Path, files: list[Path], multi_sentence: int, splitting: str, how: str
) -> None:
    counts = {"train": {"kept": 10, "multi_sentence": multi_sentence}}
    (run / "data.json").write_text(json.dumps(counts))
    evaluation = evaluate_files(run, *files)
    assert evaluation.hypotheses == Translator.load(run)(SOURCES)
    assert evaluation.to_json()["sentence_splitting"] == splitting
    options = ("--source", files[0], "--reference", files[1])
    out, _ = call("evaluate", run, *options)
    message = f"2 of 3 lines hold several sentences and were translated {how}"
    assert sum(line.startswith(message) for line in out.split("\n")) == 1
    out, _ = call("evaluate", run, *options, "--json")
    assert json.loads(out) == json.loads(json.dumps(evaluation.to_json()))


def test_sources_of_one_sentence_need_no_remark(run: Path, files: list[Path]) -> None:
    files[0].write_text("A dog.\nNo.\nThe cat.\n")
    assert evaluate_files(run, *files).sentence_splitting == ""
    options = ("--source", files[0], "--reference", files[1])
    assert "several sentences" not in call("evaluate", run, *options)[0]


def test_the_command_splits_or_keeps_sentences_as_its_option_says(
    run: Path, files: list[Path]
) -> None:
    options = ("--source", files[0], "--reference", files[1])
    outputs = []
    for sentences, how in (("split", "sentence by sentence"), ("keep", "whole")):
        evaluation = evaluate_files(run, *files, sentences=sentences)  # type: ignore[arg-type]
        chosen = TranslationOptions(sentences=sentences)  # type: ignore[arg-type]
        outputs.append(Translator.load(run)(SOURCES, options=chosen))
        assert evaluation.hypotheses == outputs[-1]
        assert evaluation.to_json()["sentence_splitting"] == sentences
        out, _ = call("evaluate", run, *options, "--sentences", sentences)
        message = f"2 of 3 lines hold several sentences and were translated {how}"
        assert message in out.split("\n")
    assert outputs[0] != outputs[1]


def test_options_of_translating_are_refused_where_nothing_is_translated(
    files: list[Path],
) -> None:
    given = ("--hypothesis", files[0], "--reference", files[1], "--language", "de")
    for option in (
        ("--sentences", "keep"),
        ("--beam", "2"),
        ("-o", "search.beam_size=2"),
        ("--ensemble", "other"),
        ("--data-path", "other"),
        ("--device", "cpu"),
    ):
        _, error = call("evaluate", *given, *option)
        assert "are for translating with RUN" in error


def test_one_sentence_is_no_sentences(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "one"
    file.write_text("A dog.\n")
    out, _ = call("evaluate", run, "--source", file, "--reference", file)
    assert ": 1 sentence\n" in out
