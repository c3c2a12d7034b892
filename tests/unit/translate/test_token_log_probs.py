"""Log-probabilities of a translation's tokens, and the fields of its results."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.engines.onnx.export import export
from seq2seq.recipe import SearchOptions
from seq2seq.runs.run import Run
from seq2seq.search.beam_hypotheses import BackpointerTable
from seq2seq.translate import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
    TranslationRequest,
    Translator,
)
from seq2seq.translate.batch_search import BatchSearcher
from seq2seq.types import EOS
from tests.helpers.runs import make_runs, tokenizer
from tests.helpers.translate_cli import LINES, call, lines_of

ASKED = TranslationOptions(token_log_probs=True)
IDS = {token: index for index, token in enumerate(tokenizer().id_to_tokens(range(200)))}
LONG = " ".join(["The old man buys a red car, and the child reads a book"] * 6)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("runs"))


def searched(**changes: Any) -> TranslationOptions:
    base = {"beam_size": 4, "max_length_ratio": 1.0}
    return replace(ASKED, search=SearchOptions.model_validate({**base, **changes}))


CASES: dict[str, tuple[list[Any], TranslationOptions]] = {
    "greedy": (LINES, searched(beam_size=1)),
    "greedy, cut": (LINES, searched(beam_size=1, min_length_ratio=1.0)),
    "greedy, no scores": (LINES, replace(searched(beam_size=1), return_scores=False)),
    "beam": (LINES, searched()),
    "n best": (LINES, replace(searched(), n_best=4)),
    "gnmt, coverage": (
        LINES,
        searched(length_penalty_type="gnmt", coverage_penalty=0.2),
    ),
    "diverse": (
        LINES,
        replace(
            searched(beam_size=6, num_beam_groups=3, diversity_penalty=0.5), n_best=3
        ),
    ),
    "required": (
        [TranslationRequest(line, required=("Mutter",)) for line in LINES[::4]],
        searched(),
    ),
    "sampled": (
        LINES,
        replace(searched(method="sample", sampling={"temperature": 0.7}), n_best=3),
    ),
    "mbr": (LINES, replace(searched(), mbr_samples=6)),
    "sentences": (["A dog. The cat. Ten men."], replace(searched(), sentences="split")),
    "segments": ([LONG], replace(searched(), max_input_length=15, n_best=2)),
}


def assert_forced_decoding_agrees(
    monkeypatch: pytest.MonkeyPatch,
    translator: Translator,
    reference: Translator,
    lines: list[Any],
    options: TranslationOptions,
) -> None:
    """Score every segment's tokens by teacher forcing, and compare."""
    search, segments = BatchSearcher.search, []

    def record(self: BatchSearcher, given: Any, *rest: Any) -> Any:
        segments.extend(given)
        return search(self, given, *rest)

    monkeypatch.setattr(BatchSearcher, "search", record)
    translations = translator.translate_batch(lines, options)
    compared = 0
    for translation in translations:
        own = [segments.pop(0) for _ in range(translation.num_segments)]
        for hypothesis in translation.n_best:
            assert hypothesis.tokens is not None
            assert hypothesis.token_log_probs is not None
            tokens = [IDS[token] for token in hypothesis.tokens]
            log_probs = list(hypothesis.token_log_probs)
            assert len(tokens) == len(log_probs)
            assert max(log_probs) <= 0
            assert hypothesis.confidence == pytest.approx(fmean(log_probs), abs=1e-5)
            for segment in own:
                end = tokens.index(EOS) if EOS in tokens else len(tokens)
                batch = collate([segment.ids], [tokens[:end]])
                with torch.no_grad():
                    forced = reference.engine.log_probs(batch)[0].tolist()
                count = end + (EOS in tokens)
                assert log_probs[:count] == pytest.approx(forced[:count], abs=1e-4)
                tokens, log_probs = tokens[count:], log_probs[count:]
                compared += count
            assert not tokens
    assert compared > 5


@pytest.mark.parametrize("name", CASES)
def test_they_are_those_of_forced_decoding(
    runs: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(runs / "one")
    assert_forced_decoding_agrees(monkeypatch, translator, translator, *CASES[name])


@pytest.mark.parametrize("beam_size", [1, 4])
def test_those_of_an_ensemble_are_too(
    runs: Path, beam_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(runs / "one", ensemble=[runs / "two", runs / "lstm"])
    options = searched(beam_size=beam_size)
    assert_forced_decoding_agrees(monkeypatch, translator, translator, LINES, options)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_those_of_onnx_runtime_are_those_of_torch(
    runs: Path, beam_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    if not (runs / "two" / "onnx").exists():
        export(Run.open(runs / "two"), int8=False)
    assert_forced_decoding_agrees(
        monkeypatch,
        Translator.load(runs / "two", engine="onnx"),
        Translator.load(runs / "two"),
        LINES,
        searched(beam_size=beam_size),
    )


def test_they_sum_to_the_score_of_the_command(runs: Path, tmp_path: Path) -> None:
    lines = [source for source, _ in phrase_pairs("train", count=60)]
    translations = Translator.load(runs / "one").translate_batch(lines, ASKED)
    own = tokenizer()
    pairs = [
        (line, translation)
        for line, translation in zip(lines, translations, strict=True)
        # A text has other segmentations than the one that was generated.
        if translation.tokens
        == (*own.id_to_tokens(own.encode([translation.translation])[0]), "</s>")
    ]
    assert len(pairs) > 5
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("".join(f"{line}\n" for line, _ in pairs))
    target.write_text("".join(f"{best.translation}\n" for _, best in pairs))
    out, _ = call("score", runs / "one", "--source", source, "--target", target)
    sums = [sum(best.token_log_probs or ()) for _, best in pairs]
    assert [float(line) for line in lines_of(out)] == pytest.approx(sums, abs=1e-4)


@pytest.mark.parametrize("name", ["greedy", "n best", "diverse", "mbr", "segments"])
def test_nothing_is_kept_or_changed_where_they_are_not_requested(
    runs: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    hypotheses = BackpointerTable.hypotheses

    def record(self: BackpointerTable, *rest: Any) -> Any:
        kept.append(len(self.log_probs))
        return hypotheses(self, *rest)

    monkeypatch.setattr(BackpointerTable, "hypotheses", record)
    lines, options = CASES[name]
    translator = Translator.load(runs / "one")
    with_them = translator.translate_batch(lines, options)
    assert name in ("greedy", "mbr") or any(kept)
    kept.clear()
    bare = replace(options, token_log_probs=False)
    without = translator.translate_batch(lines, bare)
    assert not any(kept)
    stripped = [
        replace(
            translation,
            n_best=tuple(
                replace(hypothesis, tokens=None, token_log_probs=None)
                for hypothesis in translation.n_best
            ),
        )
        for translation in with_them
    ]
    assert without == stripped
    assert without != with_them


def test_json_objects_have_the_fields_and_values_of_python(
    runs: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("A dog sleeps. The cat.\n\nNo\n")
    call(
        "translate", runs / "one", source, "--output", output, "--n-best", 2,
        "--output-format", "jsonl", "--token-log-probs", "--on-error", "return",
        "--alignments", tmp_path / "align", "--sentences", "split",
    )  # fmt: skip
    written = [json.loads(line) for line in lines_of(output.read_bytes())]
    options = TranslationOptions(
        n_best=2, align=True, token_log_probs=True, on_error="return", sentences="split"
    )
    translations = Translator.load(runs / "one").translate_batch(
        source.read_text().split("\n")[:-1], options
    )
    per_hypothesis = {field.name for field in fields(TranslationHypothesis)}
    # An error is there only where there is one.
    per_line = {field.name for field in fields(Translation)} - {"error"}
    for line, translation in zip(written, translations, strict=True):
        assert line.keys() == {"source"} | per_line | per_hypothesis
        best = json.loads(
            json.dumps({name: getattr(translation, name) for name in per_hypothesis})
        )
        assert {name: line[name] for name in per_hypothesis} == best
        assert len(line["n_best"]) == len(translation.n_best)
        for item, hypothesis in zip(line["n_best"], translation.n_best, strict=True):
            assert item == json.loads(json.dumps(hypothesis.__dict__))
        alignment = translation.alignment
        assert line["alignment"] == (
            "" if alignment is None else alignment.to_pharaoh()
        )


def test_they_are_refused_where_a_format_has_no_place_for_them(runs: Path) -> None:
    says = call("translate", runs / "one", "--token-log-probs", text=b"A dog.\n")[1]
    assert "--token-log-probs has no place in text. Add --output-format jsonl" in says
