"""Scores, signatures and intervals are sacreBLEU's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from sacrebleu import sacrebleu as command
from sacrebleu.metrics.bleu import BLEU

from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import evaluate_hypotheses
from seq2seq.metrics.sacrebleu_scores import bleu_metric, score_corpus, score_segments
from seq2seq.recipe import Recipe
from seq2seq.training.train import train
from tests.helpers.noisy_translations import generated

# Importing the command lets a closed pipe kill the process that imports it.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@pytest.mark.parametrize("seed", range(20))
def test_every_score_is_the_command_lines(
    seed: int, tmp_path: Path, monkeypatch: Any
) -> None:
    language = "zh" if seed % 4 == 3 else "de"
    signature = check_against_the_command(seed, language, tmp_path, monkeypatch)
    assert f"tok:{'zh' if language == 'zh' else '13a'}" in signature


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("language", "package"), [("ja", "MeCab"), ("ko", "mecab_ko")])
def test_japanese_and_korean_are_cut_by_their_own_rules(
    seed: int, language: str, package: str, tmp_path: Path, monkeypatch: Any
) -> None:
    pytest.importorskip(package, reason=f"the extra {language} is not installed")
    signature = check_against_the_command(seed, language, tmp_path, monkeypatch)
    assert f"tok:{language}-mecab" in signature


@pytest.mark.parametrize(
    ("code", "extra", "package"),
    [
        *[(code, "ja", "MeCab") for code in ("ja", "jpn", "ja-JP")],
        *[(code, "ko", "mecab_ko") for code in ("ko", "kor", "ko_KR")],
    ],
)
def test_a_tokenizer_that_is_missing_is_named_before_anything_is_trained(
    code: str, extra: str, package: str, tmp_path: Path, monkeypatch: Any
) -> None:
    for name in (package, f"sacrebleu.tokenizers.tokenizer_{extra}_mecab"):
        monkeypatch.setitem(sys.modules, name, None)
    message = (
        "needs a tokenizer that is not installed: "
        rf"pip install 'seq2seq-recurrent\[{extra}\]'"
    )
    with pytest.raises(UserError, match=message):
        bleu_metric(code)
    data = {"path": str(tmp_path / "nowhere"), "source": "en", "target": code}
    recipe = Recipe.model_validate({"data": data, "train": {"max_steps": 1}})
    with pytest.raises(UserError, match=message):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def check_against_the_command(
    seed: int, language: str, tmp_path: Path, monkeypatch: Any
) -> str:
    hypotheses, references = generated(seed, language)
    (tmp_path / "hypotheses").write_text("\n".join(hypotheses) + "\n", encoding="utf-8")
    names = []
    for number, lines in enumerate(references):
        names.append(str(tmp_path / f"reference.{number}"))
        Path(names[-1]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ["sacrebleu", *names, "-i", str(tmp_path / "hypotheses")]
    arguments += ["-l", f"en-{language}", "-m", "bleu", "chrf", "ter", "-w", "2"]
    monkeypatch.setattr(sys, "argv", arguments)
    # The command opens standard input and output once more, and so closes them.
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY)):
        (tmp_path / name).touch()
        handle = os.open(tmp_path / name, flags)
        mode = "r" if name == "stdin" else "w"
        monkeypatch.setattr(sys, name, open(handle, mode, closefd=False))  # noqa: SIM115
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        command.main()
        sys.stdout.close()
        sys.stdin.close()
    expected = json.loads((tmp_path / "stdout").read_text(encoding="utf-8"))
    results = score_segments(hypotheses, references, language=language)
    metrics = (results.bleu, results.chrf, results.ter)
    for reference, metric in zip(expected, metrics, strict=True):
        assert f"{reference['score']:.2f}" == f"{metric.score.score:.2f}"
        assert reference["signature"] == metric.score.signature
    assert f"nrefs:{len(references)}" in results.bleu.score.signature
    return results.bleu.score.signature


@pytest.mark.parametrize("seed", [0, 3])
def test_an_interval_is_as_wide_as_sacrebleus(seed: int) -> None:
    language = "zh" if seed % 4 == 3 else "de"
    hypotheses, references = generated(seed, language)
    score = score_segments(hypotheses, references, language=language).bleu.score
    low, high = score.interval
    metric = bleu_metric(language)
    expected = metric.corpus_score(hypotheses, references, n_bootstrap=1000)
    assert (high - low) / 2 == pytest.approx(expected._ci, abs=1e-3)
    assert low <= score.score <= high


@pytest.mark.parametrize("code", ["zh", "zh-CN", "zh_Hant", "cmn", "ZHO"])
def test_chinese_is_cut_as_chinese_whatever_its_code(code: str) -> None:
    assert "tok:zh" in str(score_segments(["我"], [["我们"]], language=code).bleu.score)


def test_scores_of_evaluate_have_intervals() -> None:
    scores = score_corpus(
        ["ein Hund", "die Katze"], ["ein Hund", "der Kater"], language="de"
    )
    assert scores.ter.interval.low <= scores.ter.score <= scores.ter.interval.high


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        (["a"] * 3, [["a"] * 2], "3 hypotheses came for 2 references"),
        (["a"] * 3, [["a"] * 3, ["a"] * 4], "3 hypotheses came for 4 references"),
        (
            ["a"] * 3,
            [["a", "\u200b", ""]],
            r"2 of 3 references are blank \(line 2, 3\)",
        ),
        ([], [[]], "no lines to score"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    hypotheses: list[str], references: list[list[str]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        score_segments(hypotheses, references, language="de")


def test_scores_are_sacrebleus(tmp_path: Path) -> None:
    hypothesis, reference = tmp_path / "hypothesis", tmp_path / "reference"
    hypothesis.write_text("Der Hund schläft auf dem Bett.\nEr geht.\n")
    reference.write_text("Der Hund schläft unter dem Bett.\nEr ging nach Hause.\n")
    evaluation = evaluate_hypotheses(hypothesis, reference, language="de")
    command = [sys.executable, "-m", "sacrebleu", str(reference), "-i", str(hypothesis)]
    for metric in ("bleu", "chrf", "ter"):
        done = subprocess.run(
            [*command, "-m", metric, "-w", "6"],
            capture_output=True,
            text=True,
            check=True,
        )
        expected = json.loads(done.stdout)
        score = getattr(evaluation.scores, metric)
        assert round(score.score, 6) == expected["score"]
        assert score.signature == expected["signature"]


def test_bleu_of_a_short_sentence_takes_the_orders_that_it_has() -> None:
    hypotheses, references = ["Er geht.", "Der Hund"], ["Er geht.", "Der Hund bellt."]
    segments = score_segments(hypotheses, [references], language="de").bleu.segments
    metric = BLEU(effective_order=True)
    assert segments.tolist() == [
        metric.sentence_score(hypothesis, [reference]).score
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    assert segments[0] == pytest.approx(100)


def test_unequal_counts_are_not_scored(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("a\nb\nc\n")
    (tmp_path / "r").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"h has 3 lines, but .*r has 2 references"):
        evaluate_hypotheses(tmp_path / "h", tmp_path / "r", language="de")


def test_lowercase_makes_bleu_and_chrf_ignore_case() -> None:
    hypotheses, references = ["THE OLD MAN SLEEPS ."], ["The old man sleeps ."]
    cased = score_corpus(hypotheses, references, language="en")
    lowercased = score_corpus(hypotheses, references, language="en", lowercase=True)
    assert max(cased.bleu.score, cased.chrf.score) < 50
    assert lowercased.bleu.score == pytest.approx(100)
    assert lowercased.chrf.score == pytest.approx(100)
