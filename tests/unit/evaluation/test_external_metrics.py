"""Metrics of other programs: run without a shell, checked, with interval and test."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.evaluation.external_metrics import parse_metrics, run_metric
from tests.helpers.cli import invoke

STAND_IN = """\
import sys
hypotheses, references = (open(path, encoding="utf-8") for path in sys.argv[1:3])
lines = ["# Stand-in 1.2, model tiny"]
for hypothesis, reference in zip(hypotheses, references):
    words = set(hypothesis.split()), set(reference.split())
    lines.append(f"segment\\t{len(words[0] & words[1]) / max(len(words[1]), 1)}")
text = "\\n".join(lines) + "\\n"
if len(sys.argv) > 3:
    open(sys.argv[3], "w", encoding="utf-8").write(text)
else:
    print(text, end="")
"""
REFERENCES = ["the old man", "a red car", "we sleep", "$HOME; $(touch x)"]
HYPOTHESES = ["the old car", "a red car", "", "$HOME; $(touch x)"]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stand in.py").write_text(STAND_IN)
    (tmp_path / "a.de").write_text("".join(f"{line}\n" for line in HYPOTHESES))
    (tmp_path / "b.de").write_text("".join(f"{line}\n" for line in REFERENCES))
    (tmp_path / "ref.de").write_text("".join(f"{line}\n" for line in REFERENCES))
    return f"{shlex.quote(sys.executable)} 'stand in.py'"


@pytest.mark.parametrize("scores", ["", " {scores}"])
def test_a_command_scores_every_segment_into_a_file_or_by_printing(
    stand_in: str, scores: str
) -> None:
    text = f"Overlap={stand_in} {{hypothesis}} {{reference}}{scores}"
    (metric,) = parse_metrics([text])
    result = run_metric(metric, HYPOTHESES, sources=[], references=REFERENCES)
    assert result.segments.tolist() == pytest.approx([2 / 3, 1, 0, 1])
    assert result.score.score == pytest.approx(2 / 3)
    assert result.score.interval.low < 2 / 3 < result.score.interval.high
    assert result.score.signature.endswith(" | Stand-in 1.2, model tiny")
    assert str(Path.cwd()) not in result.score.signature


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit('no model here')", "ended with status 1: no model here"),
        ("print(1)", "wrote 1 score for 4 segments"),
        ("print(1, 2, 3, 4, 5, sep=chr(10))", "wrote 5 scores for 4 segments"),
        ("print(1, 2, 'x', 4, sep=chr(10))", "score:3: 'x' is no number"),
        ("print(1, 2, 'nan', 4, sep=chr(10))", "score:3: 'nan' is no number"),
        ("import os; os.kill(os.getpid(), 11)", "ended with signal 11"),
        ("import time; time.sleep(60)", "no result after 0.5 seconds"),
    ],
)
def test_a_command_that_fails_is_one_line_with_the_end_of_its_errors(
    code: str, message: str
) -> None:
    command = f"M={shlex.quote(sys.executable)} -c {shlex.quote(code)} {{hypothesis}}"
    limit = 0.5 if "sleep" in code else 60
    (metric,) = parse_metrics([command], timeout=limit)
    with pytest.raises(UserError) as caught:
        run_metric(metric, HYPOTHESES, sources=[], references=REFERENCES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["M"], "is not NAME=COMMAND"),
        (["M=echo"], "has no {hypothesis}"),
        (["M=echo 'x {hypothesis}"], "check its quotes"),
        (["bleu=echo {hypothesis}"], "a metric of that name"),
        (["M=cat {hypothesis}", "m=cat {hypothesis}"], "a metric of that name"),
    ],
)
def test_a_metric_that_cannot_be_run_is_refused_before_anything_is(
    texts: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        parse_metrics(texts)


def test_a_missing_program_or_source_is_named() -> None:
    (metric,) = parse_metrics(["M=no-such-program {hypothesis}"])
    with pytest.raises(UserError, match="no-such-program cannot be run"):
        run_metric(metric, HYPOTHESES, sources=[], references=REFERENCES)
    (metric,) = parse_metrics(["M=cat {source} {hypothesis}"])
    with pytest.raises(UserError, match="--source F"):
        run_metric(metric, HYPOTHESES, sources=[], references=REFERENCES)


def test_evaluate_prints_it_beside_bleu_and_compare_tests_it(
    stand_in: str, tmp_path: Path
) -> None:
    metric = ["--metric", f"Overlap={stand_in} {{hypothesis}} {{reference}} {{scores}}"]
    files = ["--reference", "ref.de", "--language", "de"]
    evaluate = ["evaluate", "--hypothesis", "a.de", *files, *metric]
    status, out, errors = invoke(*evaluate)
    assert (status, errors) == (0, "")
    assert "Overlap\t0.6667\t" in out
    assert "Stand-in 1.2, model tiny" in out
    content = json.loads(invoke(*evaluate, "--json")[1])
    assert content["Overlap"]["score"] == pytest.approx(2 / 3)
    status, out, errors = invoke("compare", "a.de", "b.de", *files, *metric)
    assert status == 0, errors
    assert not (tmp_path / "x").exists()
    report = json.loads((tmp_path / "comparison" / "report.json").read_bytes())
    (test,) = (comparison["tests"]["Overlap"] for comparison in report["comparisons"])
    assert test["difference"] == pytest.approx(1 - 2 / 3, abs=1e-6)
    assert 0 < test["randomization_p"] <= 1
    page = (tmp_path / "comparison" / "report.html").read_text()
    assert "Stand-in 1.2, model tiny" in page
    assert str(tmp_path) not in page
