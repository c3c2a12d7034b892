"""N-best lists: order, distinctness, formats, samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.formats import OutputWriter
from tests.helpers.runs import make_runs
from tests.helpers.translate_cli import LINES, piped


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("n_best", [2, 3])
def test_several_translations_are_sorted_distinct_and_begin_with_the_best(
    runs: Path, n_best: int
) -> None:
    translator = Translator.load(runs / "one")
    long = ["A dog sleeps. " * 6]
    options = TranslationOptions(n_best=n_best, max_input_length=20)
    translations = translator.translate_batch(LINES + long, options)
    alone = translator(LINES + long, options=TranslationOptions(max_input_length=20))
    assert [translation.translation for translation in translations] == alone
    for translation in translations:
        texts = [hypothesis.translation for hypothesis in translation.n_best]
        scores = [hypothesis.score for hypothesis in translation.n_best]
        assert len(set(texts)) == len(texts) <= n_best
        assert scores == sorted(scores, reverse=True)
        assert bool(texts) == (translation.num_segments > 0)
    assert any(len(t.n_best) == n_best for t in translations)


def test_several_translations_are_written_in_every_form(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    (translation, blank) = translator.translate_batch(
        ["A dog.", ""], TranslationOptions(n_best=2)
    )
    (first, second) = translation.n_best
    assert blank.score is None

    def written(output_format: Any) -> list[str]:
        writer = OutputWriter(output_format, n_best=2)
        text = b"A dog.\n\n"
        return piped(
            translator, text, options=TranslationOptions(n_best=2), writer=writer
        )

    assert written("text") == [
        f"0 ||| {first.translation} ||| {first.score:.6f}",
        f"0 ||| {second.translation} ||| {second.score:.6f}",
        "1 |||  ||| 0",
    ]
    row, empty = written("tsv")
    assert row.split("\t")[:2] == ["A dog.", first.translation]
    assert row.split("\t")[3] == second.translation
    assert empty == "\t" * 4
    objects = [json.loads(line) for line in written("jsonl")]
    assert objects[0]["n_best"][1] == {
        "translation": second.translation,
        "score": second.score,
        "confidence": second.confidence,
        "num_tokens": second.num_tokens,
    }
    assert objects[1]["n_best"] == []


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
    assert [t.translation for t in whole] == [t.translation for t in alone]
    assert any(len(t.n_best) == n_best for t in whole)
