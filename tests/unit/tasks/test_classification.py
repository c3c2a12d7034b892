"""Classification: its data, its network, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe import ClassificationRecipe, Recipe
from seq2seq.recipe.loader import read_recipe
from seq2seq.tasks import classification_data, open_task
from seq2seq.tasks.classification import pool
from seq2seq.tasks.classification_data import ClassificationReader, make_batch
from seq2seq.types import EOS, EncoderOutput

TEXTS = ["1\tgood good", "0\tbad", "1\tgood film", "0\tbad bad film", "1\tfilm good"]
LAYER = {"layers": 1, "hidden_size": 8}


def recipe(path: object, **sections: Any) -> ClassificationRecipe:
    return ClassificationRecipe.model_validate(
        {
            "task": "classification",
            "data": {"path": str(path), **sections.pop("data", {})},
            "tokenizer": sections.pop(
                "tokenizer", {"model_type": "char", "vocab_size": 15}
            ),
            "model": {
                "embedding_size": 8,
                "encoder": LAYER,
                **sections.pop("model", {}),
            },
            "train": {"max_steps": 1, **sections.pop("train", {})},
            **sections,
        }
    )


def write(folder: Path, **splits: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for split, lines in splits.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("pooling", ["final", "mean", "max", "mean_max"])
def test_answers_do_not_depend_on_the_batch(tmp_path: Path, pooling: str) -> None:
    path = write(tmp_path, train=TEXTS)
    given = recipe(path, model={"pooling": pooling})
    reader = ClassificationReader(given, None)
    examples = reader.read("train")
    torch.manual_seed(0)
    task: Any = open_task(given, reader.vocabularies)
    network = task.network().eval()
    whole = task.probabilities(network, examples.batch(np.arange(5)))
    assert whole.shape == (5, 2)  # No control token has a probability.
    for row in range(5):
        alone = task.probabilities(network, examples.batch(np.array([row])))
        torch.testing.assert_close(alone[0], whole[row], rtol=0, atol=1e-6)


def test_pooling_sees_the_top_layer_and_no_padding() -> None:
    states = torch.tensor([[[-1.0, 2.0], [-3.0, 4.0], [0.0, 0.0]]])
    final = torch.tensor([[[9.0, 9.0], [-3.0, 4.0]]])  # Two layers.
    encoded = EncoderOutput(states, (final,), torch.tensor([[True, True, False]]))
    assert pool(encoded, "final").tolist() == [[-3, 4]]
    assert pool(encoded, "mean").tolist() == [[-2, 3]]
    assert pool(encoded, "mean_max").tolist() == [[-2, 3, -1, 4]]


def test_dropout_is_before_the_output_too(tmp_path: Path) -> None:
    given = recipe(write(tmp_path, train=TEXTS), model={"dropout": 0.5})
    reader = ClassificationReader(given, None)
    task: Any = open_task(given, reader.vocabularies)
    network, batch = task.network().train(), reader.read("train").batch(np.arange(5))
    assert bool((network.features(batch) == 0).any())
    assert bool((network.eval().features(batch) != 0).all())


def test_a_source_is_cut_and_a_text_has_eos_behind(tmp_path: Path) -> None:
    path = write(tmp_path, train=TEXTS)
    reader = ClassificationReader(recipe(path, data={"max_length": 4}), None)
    examples = reader.read("train")
    assert [len(source) for source in examples.sources] == [4] * 5
    batch = examples.batch(np.arange(5))
    assert batch.source.shape == (5, 5)
    assert batch.source[:, -1].tolist() == [EOS] * 5
    assert batch.source_lengths.tolist() == examples.lengths()[0].tolist() == [5] * 5
    rows = ['{"frames": [[1], [2]], "label": "a"}', '{"frames": [[3]], "label": "b"}']
    (tmp_path / "b").mkdir()
    (tmp_path / "b/train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    frames = ClassificationReader(recipe(tmp_path / "b"), None).read("train")
    assert frames.lengths()[0].tolist() == [2, 1]


def test_naive_bayes_is_chosen_on_validation_and_counts_characters_of_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ["1\t真好看", "1\t好极了", "0\t真难看", "0\t难极了"]
    path = write(tmp_path, train=train, valid=["1\t好"], test=["1\t好吗", "0\t难吗"])
    calls: list[Any] = []
    original = classification_data.fit_best_naive_bayes

    def fit(*splits: Any) -> Any:
        calls.append(splits)
        return original(*splits)

    monkeypatch.setattr(classification_data, "fit_best_naive_bayes", fit)
    right = {}
    for language in ("zh", "en"):
        reader = ClassificationReader(recipe(path, data={"language": language}), None)
        splits = [reader.read(split) for split in ("train", "valid", "test")]
        right[language] = reader.baselines(*splits)["naive Bayes"] == ["1", "0"]
    assert right == {"zh": True, "en": False}
    (texts, labels), (valid_texts, valid_labels) = calls[0]
    assert (list(texts), list(labels)) == ([x[2:] for x in train], list("1100"))
    assert (valid_texts, valid_labels) == (["好"], ["1"])


def test_the_fingerprint_changes_with_labels_and_with_texts(tmp_path: Path) -> None:
    path = write(tmp_path, train=TEXTS)
    reader = ClassificationReader(recipe(path), None)
    before = reader.read("train").fingerprint()
    assert before == reader.read("train").fingerprint()
    for first in ("0\tgood good", "1\tgood goog"):
        write(tmp_path, train=[first, *TEXTS[1:]])
        assert reader.read("train").fingerprint() != before


def test_numbers_have_the_squared_error_and_labels_the_cross_entropy(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, train=["0.5\tgood", "2\tbad film"])
    numbers = recipe(path, data={"target": "number"}, train={"monitor": "rmse"})
    reader = ClassificationReader(numbers, None)
    task: Any = open_task(numbers, reader.vocabularies)
    network = task.network().eval()
    batch = reader.read("train").batch(np.arange(2))
    loss, _ = task.loss(network, batch)
    expected = (network.logits(batch)[:, 0] - torch.tensor([0.5, 2.0])).square().sum()
    torch.testing.assert_close(loss.loss, expected)
    assert task.scores(["1", "1"], ["0", "3"])["rmse"].value == pytest.approx(2.5**0.5)
    labels = recipe(write(tmp_path / "b", train=TEXTS))
    reader = ClassificationReader(labels, None)
    task = open_task(labels, reader.vocabularies)
    network = task.network().eval()
    batch = reader.read("train").batch(np.arange(5))
    logits = network.logits(batch)
    expected = F.cross_entropy(logits, batch.targets[:, 0], reduction="sum")
    torch.testing.assert_close(task.loss(network, batch)[0].nll, expected)


def test_frames_are_normalised_by_the_training_frames(tmp_path: Path) -> None:
    rows = [
        '{"frames": [[0, 2], [4, 2]], "label": "a"}',
        '{"frames": [[8, 2]], "label": "b"}',
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    reader = ClassificationReader(recipe(tmp_path), None)
    examples = reader.read("train")
    frames = np.concatenate(examples.sources)
    np.testing.assert_allclose(frames[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(frames[:, 0].std(), 1, atol=1e-6)
    batch = make_batch(examples.sources, torch.zeros(2, 1), np.arange(2))
    assert batch.source.shape == (2, 2, 2)
    assert batch.source_lengths.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1\tgood", "0 bad"], r"train.tsv:2: 1 column came, but two are needed"),
        (["1\tgood", ""], r"train.tsv:2: 0 columns came"),
        (["1\tgood", " \tbad"], r"train.tsv:2: the label is blank"),
        (["Label\tText", *TEXTS], r"train.tsv:1: this line names the columns"),
        (["1\tgood", "1 \tbad"], "has 1 different label,"),
        (["1\t", "0\t"], "no text to train a tokenizer on"),
        ([], "train.tsv is empty"),
    ],
)
def test_bad_training_data_gets_one_line(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ClassificationReader(recipe(write(tmp_path, train=lines)), None).read("train")
    assert "\n" not in str(caught.value)


def test_an_unknown_label_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, train=TEXTS, test=["1\tgood", "7\tbad"])
    with pytest.raises(UserError, match=r"test.tsv:2: the label '7' .* are 0, 1"):
        ClassificationReader(recipe(path), None).read("test")
    with pytest.raises(UserError, match=r"gone is missing.* --data-path FOLDER"):
        ClassificationReader(recipe(tmp_path / "gone"), None).read("train")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"frames": [[1], [NaN]], "label": "a"}', "NaN"),
        ('{"frames": [[1], [2, 3]], "label": "a"}', "as many numbers"),
        ('{"frames": [], "label": "a"}', r"has the shape \(0,\)"),
        ('{"label": "a"}', "no text came"),
        ('{"text": "x"}', "no label came"),
        ("x", "not JSON"),
        ('{"frames": [[1e300]], "label": "a"}', "NaN or infinity"),
        ('{"text": "x", "label": "\\ud800"}', "half a surrogate pair"),
    ],
)
def test_bad_rows_name_their_line(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "train.jsonl").write_text(row + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"train.jsonl:1: .*{message}"):
        ClassificationReader(recipe(tmp_path), None).read("train")


FRAMES = '{"frames": [[1, 2]], "label": "a"}'
TEXT = '{"text": "xyz", "label": "b"}'
LONGER = '{"frames": [[1, 2, 3]], "label": "b"}'


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        ((FRAMES, LONGER), "train", "frames of 3 numbers came, but frames of 2"),
        ((FRAMES, TEXT), "train", "text came, but frames of 2 numbers"),
        ((TEXT, FRAMES), "train", "frames of 2 numbers came, but text"),
        ((FRAMES, FRAMES.replace('"a"', '"b"')), "test", "text came, but frames"),
        (
            (TEXT, TEXT.replace('"b"', '"c"')),
            "test",
            "frames of 2 numbers came, but text",
        ),
    ],
)
def test_texts_and_frames_of_other_sizes_are_not_mixed(
    tmp_path: Path, rows: tuple[str, str], split: str, message: str
) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    other = FRAMES if rows[0] == TEXT else TEXT
    (tmp_path / "test.jsonl").write_text(other, encoding="utf-8")
    tokenizer = {"model_type": "char", "vocab_size": 8}
    reader = ClassificationReader(recipe(tmp_path, tokenizer=tokenizer), None)
    with pytest.raises(UserError, match=message):
        reader.read(split)


def test_a_task_is_chosen_by_name_and_its_keys_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    text = (
        f"task: classification\ndata: {{path: {tmp_path}}}\ntrain: {{max_steps: 1}}\n"
    )
    file.write_text(text, encoding="utf-8")
    assert isinstance(read_recipe(str(file)), ClassificationRecipe)
    with pytest.raises(
        RecipeError,
        match=r"task: 'clasification' is not one of .*did you mean 'classification'",
    ):
        read_recipe(str(file), ["task=clasification"])
    with pytest.raises(RecipeError, match="search: unknown key"):
        read_recipe(str(file), ["search.beam_size=4"])
    with pytest.raises(RecipeError, match=r"rmse does not go with data.target: label"):
        read_recipe(str(file), ["train.monitor=rmse"])
    assert isinstance(read_recipe("quickstart"), Recipe)
