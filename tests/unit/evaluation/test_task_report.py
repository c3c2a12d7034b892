"""Reports of other tasks than translation: what is confused, what is shown."""

from __future__ import annotations

import base64
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seq2seq.evaluation.caption_figures import word_figures
from seq2seq.evaluation.caption_pictures import CaptionedPicture, data_uri
from seq2seq.evaluation.schema import AttentionMap
from seq2seq.evaluation.systems import ReportRequest
from seq2seq.evaluation.task_report import write_task_report
from seq2seq.recipe import recipe_class
from seq2seq.training.train import train
from tests.helpers.report_pages import ParsedPage

HOSTILE = "<img/src=x/onerror=document.title=1>"
OTHER = "</style><script>document.title=1</script>|*_`"
LAYER = {"layers": 1, "hidden_size": 4}
FILES = ("report.html", "report.json", "report.md")


def trained(folder: Path, content: dict[str, Any], steps: int = 1) -> Path:
    """Train on the files in a folder, with large steps."""
    optimizer = {"kind": "adam", "learning_rate": 0.1}
    content |= {
        "train": {"max_steps": steps, "batch_tokens": 64, "optimizer": optimizer}
    }
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


def captioning(folder: Path) -> Path:
    write_splits(folder, en=f"a {HOSTILE}\n{OTHER}\n")
    pixels = np.random.default_rng(1).integers(0, 256, (16, 3, 9, 12), dtype=np.uint8)
    for split in ("train", "valid", "test"):
        np.save(folder / f"{split}.npy", pixels)
    encoder = {"kind": "convolution", "channels": [4, 8], "strides": [2, 3]}
    model = {"embedding_size": 4, "encoder": encoder, "decoder": LAYER}
    tokenizer = {"model_type": "char", "vocab_size": 32}
    return trained(
        folder, {"task": "captioning", "tokenizer": tokenizer, "model": model}
    )


def language_model(folder: Path) -> Path:
    write_splits(folder, en=f"{HOSTILE} {OTHER}\n\n")
    model = {"embedding_size": 4, "decoder": LAYER}
    run = trained(folder, {"task": "language_model", "model": model})
    assert "<" in json.loads((run / "tokenizer/characters.json").read_text("utf-8"))
    return run


@pytest.mark.parametrize("make", [classification, tagging, captioning, language_model])
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
    generator = random.Random(1)
    true = [generator.choice("xyz") for _ in range(24)]
    texts = ["".join(generator.choices("abcd", k=9)) for _ in true]
    lines = [f"{label}\t{text}\n" for label, text in zip(true, texts, strict=True)]
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    tokenizer = {"model_type": "char", "vocab_size": 9}
    model = {"embedding_size": 4, "encoder": LAYER}
    content = {"task": "classification", "tokenizer": tokenizer, "model": model}
    run = trained(tmp_path, content, steps=6)
    request = ReportRequest([str(run)], device="cpu")
    report = write_task_report(request, tmp_path / "out", log=str)
    answers = (run / "evaluation/test/hypotheses.txt").read_text("utf-8").splitlines()
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
    assert certain == sorted(certain, reverse=True) != sorted(certain)
    counts = [pair.count for pair in errors.pairs]
    assert counts == sorted(counts, reverse=True)
    assert len({pair.reference > pair.hypothesis for pair in errors.pairs}) == 2
    for answer in errors.answers:
        assert answer.hypothesis == answers[answer.example - 1] != answer.reference
        assert next(iter(answer.probabilities)) == answer.hypothesis
        assert answer.reference in answer.probabilities
    saved = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    assert saved["label_errors"]["matrix"] == errors.matrix


def pixels_of(uri: str) -> Any:
    header, _, content = uri.partition(",")
    assert header == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_has_the_pixels_of_its_data(channels: int) -> None:
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    shown = pixels_of(data_uri(pixels)).reshape(5, 7, channels)
    assert (shown.transpose(2, 0, 1) == pixels).all()


def test_a_picture_is_brightest_where_a_word_attends_to() -> None:
    weights = [[0.1, 0.2, 0.0, 0.4, 0.2, 0.1], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    attention = AttentionMap(3, list("123456"), ["red", "box"], weights)
    uri = data_uri(np.zeros((3, 8, 11), dtype=np.uint8))
    texts = ("red box", "red box")
    picture = CaptionedPicture(3, uri, (8, 11), (2, 3), 4, *texts, attention)
    words, figures = zip(*word_figures(picture), strict=True)
    assert words == ("red", "box")
    for figure, row in zip(figures, weights, strict=True):
        shown = pixels_of(re.findall(r'href="(data:[^"]*)"', figure)[0])
        assert shown.shape == (2, 3, 2)
        opacity = shown[:, :, 1].ravel()
        assert opacity.argmin() == np.argmax(row)
        assert opacity.max() > 150
