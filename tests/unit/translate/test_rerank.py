"""Reranking n-best lists by a language model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.runs.task_run import TaskRun
from seq2seq.translate.rerank import Candidate, read_n_best, rerank
from seq2seq.types import EOS
from tests.helpers.runs import make_language_model, make_run
from tests.helpers.translate_cli import LINES, call, lines_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "one")
    make_language_model(folder / "lm", seed=5)
    make_language_model(folder / "lm-characters", model_type="char")
    return folder


@pytest.mark.parametrize("name", ["lm", "lm-characters"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_best_has_the_highest_sum_of_both_scores(
    runs: Path, name: str, penalty: float
) -> None:
    texts = ["Der Hund schläft.", "Die Frau hat das Buch gelesen.", "", "Hund", "Hund"]
    lists = [
        Candidate(line, text, -0.5 * k)
        for line in range(3)
        for k, text in enumerate(texts[line:])
    ]
    run = TaskRun.open(runs / name)
    network = run.network().double().eval()

    def total(entry: Candidate, weight: float) -> float:
        (ids,) = run.task.text.encode([entry.text])  # type: ignore[attr-defined]
        targets = torch.tensor([[*ids, EOS]])
        with torch.no_grad():
            log_probs, _ = network.log_probs(torch.tensor([[EOS, *ids]]), None)
        language = float(log_probs.gather(2, targets[:, :, None]).sum())
        return entry.score + weight * language / targets.numel() ** penalty

    chosen = set()
    for weight in (0.0, 0.1, 1.0, 9.0):
        expected = [
            max((e for e in lists if e.line == line), key=lambda e: total(e, weight))
            for line in range(3)
        ]
        best = list(rerank(lists, runs / name, weight=weight, length_penalty=penalty))
        assert best == [entry.text for entry in expected]
        chosen.add(tuple(best))
    assert len(chosen) > 1


def test_lists_of_translate_become_as_many_lines_as_it_read(
    runs: Path, tmp_path: Path
) -> None:
    lists, output = tmp_path / "lists", tmp_path / "out"
    text = "".join(f"{line}\n" for line in LINES)
    n_best, _ = call("translate", runs / "one", "--n-best", "3", text=text.encode())
    lists.write_text(n_best, encoding="utf-8")
    arguments = ("rerank", lists, "--language-model", runs / "lm", "--lm-weight", "5")
    best, errors = call(*arguments)
    assert errors == ""
    assert len(lines_of(best)) == len(LINES)
    for index, (source, line) in enumerate(zip(LINES, lines_of(best), strict=True)):
        assert f"\n{index} ||| {line} ||| " in f"\n{n_best}"
        assert source.strip() or line == ""
    assert best != call(*arguments[:-1], "0")[0]
    call(*arguments, "--output", output)
    assert output.read_text(encoding="utf-8") == best
    _, error = call(*arguments, "--output", lists)
    assert "is an input of this command" in error


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Der Hund."], r"lists:1: 'Der Hund.' is not INDEX"),
        (["0 ||| a ||| -1", "0 ||| b ||| nan"], r"lists:2: .* is not INDEX"),
        (["1 ||| a ||| -1"], "index 1 comes after -1"),
        (["0 ||| a ||| -1", "2 ||| b ||| -1"], "index 2 comes after 0"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(
    lines: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        list(read_n_best(lines, "lists"))


def test_a_text_may_hold_what_separates_the_fields() -> None:
    assert list(read_n_best(["0 ||| a ||| b ||| -1.5", "1 |||  ||| 0"], "lists")) == [
        Candidate(0, "a ||| b", -1.5),
        Candidate(1, "", 0.0),
    ]
