"""Reports of other tasks than translation: what is confused, what is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seq2seq.evaluation.systems import ReportRequest
from seq2seq.evaluation.task_report import write_task_report
from seq2seq.recipe import recipe_class
from seq2seq.training.train import train
from tests.helpers.report_pages import ParsedPage

HOSTILE = "<img/src=x/onerror=document.title=1>"
OTHER = "</style><script>document.title=1</script>|*_`"
LAYER = {"layers": 1, "hidden_size": 4}
FILES = ("report.html", "report.json", "report.md")


def trained(folder: Path, content: dict[str, Any]) -> Path:
    """Train a step on the files in a folder."""
    content |= {"train": {"max_steps": 1, "batch_tokens": 64}}
    content["data"] = {"path": str(folder)}
    recipe = recipe_class(content["task"]).model_validate(content)
    train(recipe, folder / "run")
    return folder / "run"


def write_splits(folder: Path, **lines: str) -> None:
    """Write lines of files of all splits, eight times, by the files' endings."""
    for split in ("train", "valid", "test"):
        for ending, text in lines.items():
            (folder / f"{split}.{ending}").write_text(text * 8, encoding="utf-8")


def classification(folder: Path) -> Path:
    write_splits(
        folder, tsv=f'{HOSTILE}\tone {OTHER}\n{OTHER}\ttwo {HOSTILE}\n"c\tthree\n'
    )
    tokenizer = {"model_type": "char", "vocab_size": 40}
    model = {"embedding_size": 4, "encoder": LAYER}
    return trained(
        folder, {"task": "classification", "tokenizer": tokenizer, "model": model}
    )


def tagging(folder: Path) -> Path:
    write_splits(
        folder, en=f"a {HOSTILE} c\n{OTHER}\n", tags=f"{OTHER} nn {HOSTILE}\nnn\n"
    )
    model = {"embedding_size": 4, "encoder": LAYER}
    return trained(folder, {"task": "tagging", "model": model})


@pytest.mark.parametrize("make", [classification, tagging])
def test_hostile_labels_are_text_and_the_same_run_has_the_same_bytes(
    make: Any, tmp_path: Path
) -> None:
    run = make(tmp_path)
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder, date in zip(folders, ("2026-01-01", "2026-01-02"), strict=True):
        request = ReportRequest([str(run)], device="cpu")
        write_task_report(request, folder, log=str, date=date)
    for name in FILES:
        one, other = (
            (folder / name).read_text(encoding="utf-8").split("\n")
            for folder in folders
        )
        differing = [a for a, b in zip(one, other, strict=True) if a != b]
        assert len(differing) == 1
    html, _, markdown = ((folders[0] / name).read_text("utf-8") for name in FILES)
    page = ParsedPage(html)
    assert page.tags["script"] == 1
    assert not page.tags.keys() & {"iframe", "object", "embed", "form", "base"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(
        value.startswith(("#", "data:"))
        for _, name, value in page.attributes
        if name in ("href", "src", "xlink:href")
    )
    shown = "".join(page.text)
    assert HOSTILE in shown
    assert OTHER in shown
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.S)
    assert not re.search(r"(?<!\\)<", prose)


def test_confusions_are_those_of_the_saved_answers(tmp_path: Path) -> None:
    run = classification(tmp_path)
    report = write_task_report(ReportRequest([str(run)]), tmp_path / "out", log=str)
    answers = (run / "evaluation/test/hypotheses.txt").read_text("utf-8").splitlines()
    true = [HOSTILE, OTHER, '"c'] * 8
    errors = report.label_errors
    assert errors is not None
    assert errors.num_labels == 24
    assert errors.num_wrong == sum(a != b for a, b in zip(answers, true, strict=True))
    for row, reference in zip(errors.matrix, errors.labels, strict=True):
        for count, hypothesis in zip(row, errors.labels, strict=True):
            assert count == list(zip(true, answers, strict=True)).count(
                (reference, hypothesis)
            )
    assert sum(pair.count for pair in errors.pairs) == errors.num_wrong
    certain = [answer.probabilities[answer.hypothesis] for answer in errors.answers]
    assert certain == sorted(certain, reverse=True)
    for answer in errors.answers:
        assert answer.hypothesis == answers[answer.example - 1] != answer.reference
        assert next(iter(answer.probabilities)) == answer.hypothesis
        assert answer.reference in answer.probabilities
    saved = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    assert saved["label_errors"]["matrix"] == errors.matrix
