"""Scores, intervals and paired tests are sacreBLEU's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import sacrebleu as command
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import evaluate_hypotheses
from seq2seq.metrics.sacrebleu_scores import bleu_metric, score_corpus, score_segments
from seq2seq.metrics.significance import (
    bleu_from_stats,
    bootstrap_interval,
    chrf_from_stats,
    mean_from_stats,
    paired_test,
    ter_from_stats,
)
from seq2seq.recipe import Recipe
from seq2seq.training.train import train

# Importing the command lets a closed pipe kill the process that imports it.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)

WORDS = ["der", "die", "das", "Hund", "Katze", "schläft,", "läuft.", "Haus!", "rot"]
WORDS += ["und", "(sehr)", "alt", "3,5", "z.B."]
CHARACTERS = {
    "zh": "我们在北京看见三只猫，天气很好。ABC",
    "ja": "私達は東京で猫が好きです。本を読んだ人、2人いる。",
}
KOREAN = [
    "나는",
    "학교에서",
    "책을",
    "읽었다.",
    "고양이가",
    "좋아요!",
    "3마리",
    "서울의",
]


def sentence(random: np.random.Generator, language: str) -> str:
    size = int(random.integers(1, 14))
    if language in CHARACTERS:
        return "".join(random.choice(list(CHARACTERS[language]), size))
    return " ".join(random.choice(KOREAN if language == "ko" else WORDS, size))


def noisy(random: np.random.Generator, line: str, language: str) -> str:
    units = list(line) if language in CHARACTERS else line.split()
    units = [unit for unit in units if random.random() > 0.25]
    text = ("" if language in CHARACTERS else " ").join(units)
    return text if random.random() > 0.1 else ""


def generated(seed: int, language: str) -> tuple[list[str], list[list[str]]]:
    random = np.random.default_rng(seed)
    size, count = int(random.integers(2, 40)), seed % 3 + 1
    first = [sentence(random, language) for _ in range(size)]
    hypotheses = [noisy(random, line, language) for line in first]
    hypotheses[0] = first[0]
    others = [
        [noisy(random, line, language) or line for line in first]
        for _ in range(count - 1)
    ]
    return hypotheses, [first, *others]


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
    monkeypatch.setattr(sys, "argv", [*arguments, "--chrf-word-order", "2"])
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


METRICS: list[tuple[Any, Any]] = [
    (BLEU(), bleu_from_stats),
    (CHRF(word_order=2), chrf_from_stats),
    (CHRF(), chrf_from_stats),
    (TER(), ter_from_stats),
]


@pytest.mark.parametrize(("metric", "score_from_stats"), METRICS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_score_from_sums_is_the_metrics_own(
    metric: Any, score_from_stats: Any, data: st.DataObject
) -> None:
    line = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
    references = data.draw(st.lists(line.filter(bool), min_size=1, max_size=4))
    size = len(references)
    hypotheses = data.draw(st.lists(line, min_size=size, max_size=size))
    rows = metric._extract_corpus_statistics(hypotheses, [references])
    sums = np.array(rows, dtype=np.float64).sum(axis=0, keepdims=True)
    expected = metric.corpus_score(hypotheses, [references]).score
    assert score_from_stats(sums)[0] == pytest.approx(expected, abs=1e-9)


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


def two_systems() -> tuple[list[str], list[str], list[list[str]]]:
    random = np.random.default_rng(5)
    first = [sentence(random, "de") for _ in range(90)]
    one, other = ([noisy(random, line, "de") for line in first] for _ in range(2))
    return one, [line if i % 7 else "" for i, line in enumerate(other)], [first]


@pytest.mark.parametrize(("test", "samples"), [("bs", 1000), ("ar", 1500)])
def test_p_values_are_sacrebleus(test: str, samples: int) -> None:
    one, other, references = two_systems()
    metrics = {"bleu": BLEU(), "chrf": CHRF(word_order=2), "ter": TER()}
    named = [("one", one), ("other", other)]
    _, expected = PairedTest(named, metrics, references, test, n_samples=samples)()
    results = [
        score_segments(lines, references, language="de") for lines in (one, other)
    ]
    for name, key in (("bleu", "BLEU"), ("chrf", "chrF2++"), ("ter", "TER")):
        baseline, system = (getattr(scores, name) for scores in results)
        result = paired_test(
            baseline.statistics,
            system.statistics,
            system.score_from_stats,
            n_bootstrap=samples,
            n_trials=samples,
        )
        reference: Any = expected[key][1]
        p_values = {"bs": result.bootstrap_p, "ar": result.randomization_p}
        assert p_values[test] == pytest.approx(reference.p_value, abs=3 / samples)
        low, high = result.interval
        assert low < result.difference < high


def test_halves_of_one_system_do_not_differ() -> None:
    random = np.random.default_rng(1)
    lines = [sentence(random, "de") for _ in range(300)]
    hypotheses = [noisy(random, line, "de") for line in lines]
    rows = score_segments(hypotheses, [lines], language="de").bleu.statistics
    insignificant = 0
    for _ in range(100):
        order = random.permutation(len(rows))
        halves = rows[order[:150]], rows[order[150:]]
        test = paired_test(*halves, bleu_from_stats, n_bootstrap=200, n_trials=400)
        insignificant += max(test.randomization_p, test.bootstrap_p) >= 0.05
    assert insignificant >= 90


def test_a_clear_difference_is_found_and_none_is_not() -> None:
    one, _, references = two_systems()
    other = [line if number % 3 else "" for number, line in enumerate(one)]
    better = score_segments(one, references, language="de").chrf
    worse = score_segments(other, references, language="de").chrf
    test = paired_test(better.statistics, worse.statistics, chrf_from_stats)
    assert test.difference < 0
    assert max(test.bootstrap_p, test.randomization_p) < 0.05
    same = paired_test(better.statistics, better.statistics, chrf_from_stats)
    assert same.difference == 0
    assert same.interval == (0, 0)
    # sacreBLEU counts greater differences only, and calls equal systems significant.
    assert same.bootstrap_p == same.randomization_p == 1


def test_means_of_outside_scores_have_intervals() -> None:
    values = np.linspace(0, 1, 101)
    rows = np.stack([values, np.ones_like(values)], axis=1)
    low, high = bootstrap_interval(rows, mean_from_stats)
    assert low < 0.5 < high
    assert high - low == pytest.approx(4 * values.std() / 101**0.5, rel=0.1)


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
        (["a"] * 3, [["a", " ", ""]], r"2 of 3 references are blank \(line 2, 3\)"),
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


def test_unequal_counts_are_not_scored(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("a\nb\nc\n")
    (tmp_path / "r").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"3 hypotheses came for 2 references"):
        evaluate_hypotheses(tmp_path / "h", tmp_path / "r", language="de")
