"""Sequence-level distillation: a teacher's translations of its training data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seq2seq.data.corpora import open_corpus
from seq2seq.errors import UserError
from seq2seq.metrics.pairwise import bleu_utility
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.distill import DistillationResult, distill
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import call

JOB: dict[str, Any] = {"runs": ["one"]}
BLANK = "\u00ad\u200b"
PAIRS = [
    ("The dog sleeps.", "Der Hund schläft."),
    ("", "Nichts."),
    ("A red car.", "Ein rotes Auto."),
    ("A house.", BLANK),
] + [(f"Ten dogs and {n} cats.", f"Zehn Hunde und {n} Katzen.") for n in range(40)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose training data is a few pairs."""
    folder = tmp_path_factory.mktemp("teacher")
    data = folder / "data"
    data.mkdir()
    for side, language in enumerate(("en", "de")):
        text = "".join(f"{pair[side]}\n" for pair in PAIRS)
        (data / f"train.{language}").write_text(text, encoding="utf-8")
    run = make_run(folder / "run")
    recipe = run / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert "path: phrasebook" in text
    recipe.write_text(text.replace("path: phrasebook", f"path: {data}"))
    return run


def pairs_in(folder: Path) -> list[tuple[str, str]]:
    corpus = open_corpus(str(folder), source="en", target="de", split="train")
    return [tuple(pair) for pair in corpus.read()]


def test_every_pair_gets_the_teachers_translation(run: Path, tmp_path: Path) -> None:
    translator = Translator.load(run)
    result = distill(translator, tmp_path / "out", job=JOB)
    whole = [source for source, target in PAIRS if source and target != BLANK]
    path = tmp_path / "out/train.en-de.tsv"
    assert result == DistillationResult(path, len(whole), 2, "split")
    expected = list(zip(whole, translator(whole), strict=True))
    assert pairs_in(tmp_path / "out") == expected
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_sequence_interpolation_takes_the_highest_bleu_of_the_beam(
    run: Path, tmp_path: Path
) -> None:
    translator = Translator.load(run)
    distill(translator, tmp_path / "near", job=JOB, sequence_interpolation=True)
    distill(translator, tmp_path / "likely", job=JOB)
    near, likely = pairs_in(tmp_path / "near"), pairs_in(tmp_path / "likely")
    whole = [pair for pair in PAIRS if pair[0] and pair[1] != BLANK]
    size = translator.recipe.search.beam_size
    translations = translator.translate_batch(
        [pair[0] for pair in whole], TranslationOptions(n_best=size)
    )
    better = 0
    for (source, reference), (first, text), (_, best), translation in zip(
        whole, near, likely, translations, strict=True
    ):
        texts = [hypothesis.translation for hypothesis in translation.n_best]
        scores = [row[0] for row in bleu_utility(texts, [reference], language="de")]
        assert first == source
        assert scores[texts.index(text)] == max(scores)
        better += text != best
    assert better


def test_sources_of_several_sentences_lose_none(run: Path, tmp_path: Path) -> None:
    source = "A red car. Ten dogs. The cat sleeps."
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.en").write_text(f"{source}\n")
    (data / "train.de").write_text("Ein rotes Auto. Zehn Hunde. Die Katze schläft.\n")
    translator = Translator.load(run)
    distill(translator, tmp_path / "split", job=JOB, data_path=str(data))
    single = translator(["A red car.", "Ten dogs.", "The cat sleeps."])
    assert pairs_in(tmp_path / "split") == [(source, " ".join(single))]
    # The reference of sequence interpolation is that of the whole line.
    near = distill(
        translator,
        tmp_path / "near",
        job=JOB,
        sequence_interpolation=True,
        data_path=str(data),
    )
    size = translator.recipe.search.beam_size
    options = TranslationOptions(n_best=size, sentences="keep")
    (whole,) = translator.translate_batch([source], options)
    assert near.sentences == "keep"
    assert pairs_in(tmp_path / "near")[0][1] in [h.translation for h in whole.n_best]


def test_a_run_of_the_other_direction_makes_sources(run: Path, tmp_path: Path) -> None:
    translator = Translator.load(run)
    distill(translator, tmp_path / "back", job=JOB)
    corpus = open_corpus(
        str(tmp_path / "back"), source="de", target="en", split="train"
    )
    whole = [source for source, target in PAIRS if source and target != BLANK]
    assert list(corpus.read()) == list(zip(translator(whole), whole, strict=True))


def test_an_interrupted_one_continues_to_the_same_bytes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(TranslationOptions, buffer_size=20)
    monkeypatch.setattr("seq2seq.translate.distill.TranslationOptions", small)
    translator = Translator.load(run)
    whole = distill(translator, tmp_path / "whole", job=JOB).path.read_bytes()
    translate_batch, calls = Translator.translate_batch, 0

    def failing(
        self: Translator, lines: Any, options: TranslationOptions
    ) -> list[Translation]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return translate_batch(self, lines, options)

    folder = tmp_path / "again"
    monkeypatch.setattr(Translator, "translate_batch", failing)
    with pytest.raises(KeyboardInterrupt):
        distill(translator, folder, job=JOB)
    assert not (folder / "train.en-de.tsv").exists()
    with pytest.raises(UserError, match="another translation: runs was"):
        distill(translator, folder, job={"runs": ["two"]})
    assert distill(translator, folder, job=JOB).path.read_bytes() == whole
    assert calls == 4  # Windows of 20, 20 and 2: the third was done again.
    with pytest.raises(UserError, match="is there already"):
        distill(translator, folder, job=JOB)


def test_the_command_says_what_comes_next(run: Path, tmp_path: Path) -> None:
    out, _ = call("distill", run, tmp_path / "one", "--beam", 1, "--ensemble", run)
    assert "train.en-de.tsv has 42 pairs; 2 with a blank side left out" in out
    assert "sources of several sentences were translated sentence by sentence" in out
    assert f"data.mix=[{{path: {tmp_path / 'one'}}}]" in out
    alone = Translator.load(run, overrides=["search.beam_size=1"])
    sources = [source for source, _ in pairs_in(tmp_path / "one")]
    assert [text for _, text in pairs_in(tmp_path / "one")] == alone(sources)


def test_a_corpus_of_nothing_is_refused(run: Path, tmp_path: Path) -> None:
    for language in ("en", "de"):
        (tmp_path / f"train.{language}").write_text("\n")
    with pytest.raises(UserError, match="has no sentence pairs"):
        distill(
            Translator.load(run), tmp_path / "out", job=JOB, data_path=str(tmp_path)
        )
    assert not (tmp_path / "out").exists()
