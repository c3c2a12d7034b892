"""Tagging: its data, its network, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq.data.drawn_frames import nback_examples
from seq2seq.errors import UserError
from seq2seq.recipe import TaggingRecipe
from seq2seq.tasks import open_task
from seq2seq.tasks.tagging import FeatureEmbedding
from seq2seq.tasks.tagging_data import TaggingReader
from seq2seq.tasks.word_features import FeatureTable, word_features
from seq2seq.types import UNK

WORDS = ["the dog sleeps", "the old dog barks", "a dog", "the old man sleeps"]
TAGS = ["at nn vb", "at jj nn vb", "at nn", "at jj nn vb"]
LAYER = {"layers": 1, "hidden_size": 8}


def recipe(path: object, **sections: Any) -> TaggingRecipe:
    return TaggingRecipe.model_validate(
        {
            "task": "tagging",
            "data": {"path": str(path), **sections.pop("data", {})},
            "model": {
                "embedding_size": 8,
                "encoder": LAYER,
                **sections.pop("model", {}),
            },
            "train": {"max_steps": 1, "label_smoothing": 0.0},
        }
    )


def write(folder: Path, split: str, words: list[str], tags: list[str]) -> Path:
    for name, lines in ((f"{split}.en", words), (f"{split}.tags", tags)):
        text = "".join(f"{line}\n" for line in lines)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def opened(given: TaggingRecipe, split: str = "train") -> tuple[Any, Any, Any]:
    reader = TaggingReader(given, None)
    examples = reader.read(split)
    torch.manual_seed(0)
    task: Any = open_task(given, reader.vocabularies)
    return task, task.network().eval(), examples


def test_a_word_is_its_form_affixes_and_shape() -> None:
    features = word_features("McDonald's-42")
    assert features[0] == "wmcdonald's-42"
    assert features[2:4] == ["pmc", "pmcd"]
    assert features[-2:] == ["ss-42"[:1] + "s-42"[-4:], "xXxXx'x-0"]
    assert len(word_features("a")) == len(features)
    table = FeatureTable.fit([["dog", "dog", "cat"]])
    rows = table.encode(["dog", "cat", "fog"])
    assert rows[0].min() > UNK  # Twice in training.
    assert rows[1][0] == UNK
    assert rows[2][0] == UNK
    assert (rows[2] == rows[0]).sum() == 3  # The suffixes og and g, and the shape.


def test_word_dropout_replaces_some_forms_and_nothing_else() -> None:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(9, 3, dropout=0.5)
    features = torch.tensor([[[5, 6, 7]] * 40])
    table = embedding.table.weight
    whole = table[[5, 6, 7]].sum(dim=0)
    rows = embedding(features)[0]
    dropped = (rows - whole).abs().amax(dim=1) > 1e-5
    assert 10 < int(dropped.sum()) < 30
    unknown = table[[UNK, 6, 7]].sum(dim=0)
    torch.testing.assert_close(rows[dropped], unknown.expand_as(rows[dropped]))
    embedding.eval()
    torch.testing.assert_close(embedding(features)[0], whole.expand(40, 3))


def test_every_word_gets_one_tag_whatever_the_batch(tmp_path: Path) -> None:
    task, network, examples = opened(recipe(write(tmp_path, "train", WORDS, TAGS)))
    whole = task.predict(network, examples.batch(np.arange(4)))
    assert [len(line.split()) for line in whole] == [3, 4, 2, 4]
    for row in range(4):
        assert task.predict(network, examples.batch(np.array([row]))) == [whole[row]]


def test_the_loss_is_the_cross_entropy_of_all_tags(tmp_path: Path) -> None:
    task, network, examples = opened(recipe(write(tmp_path, "train", WORDS, TAGS)))
    batch = examples.batch(np.arange(4))
    logits = network.logits(batch)[batch.targets > 0]
    expected = torch.nn.functional.cross_entropy(
        logits, batch.targets[batch.targets > 0], reduction="sum"
    )
    torch.testing.assert_close(task.loss(network, batch)[0].nll, expected)


def test_labels_are_smoothed_in_training_alone(tmp_path: Path) -> None:
    given = recipe(write(tmp_path, "train", WORDS, TAGS))
    smoothed = given.train.model_copy(update={"label_smoothing": 0.3})
    given = given.model_copy(update={"train": smoothed})
    task, network, examples = opened(given)
    batch = examples.batch(np.arange(4))
    assert batch.num_tokens == 13  # Padding is not counted.
    with torch.no_grad():
        output, _ = task.loss(network, batch)
        assert output.loss.item() == pytest.approx(output.nll.item())
        output, _ = task.loss(network.train(), batch)
        assert output.loss.item() != pytest.approx(output.nll.item())


def test_counting_and_unseen_words_are_those_of_training(tmp_path: Path) -> None:
    path = write(tmp_path, "train", WORDS, TAGS)
    write(path, "test", ["the fog", "a dog"], ["zz nn", "zz zz"])
    reader = TaggingReader(recipe(path), None)
    train, test = reader.read("train"), reader.read("test")
    answers = reader.baselines(train, test, test)
    assert answers["most frequent tag"][1] == answers["trigram HMM"][1] == "at nn"
    unseen = reader.details(train, test, ["at nn", "at nn"])["accuracy_unseen"]
    assert unseen.value == 100  # Of fog alone.


def test_without_recurrence_a_position_sees_itself_alone(tmp_path: Path) -> None:
    given = recipe(write(tmp_path, "train", WORDS, TAGS), model={"recurrent": False})
    _, network, examples = opened(given)
    logits = network.logits(examples.batch(np.arange(4)))
    torch.testing.assert_close(logits[0, 1], logits[2, 1])  # Both are dog.
    _, recurrent, examples = opened(recipe(tmp_path))
    logits = recurrent.logits(examples.batch(np.arange(4)))
    assert not torch.allclose(logits[0, 1], logits[2, 1])


def test_an_unknown_tag_is_wrong_and_no_error(tmp_path: Path) -> None:
    path = write(tmp_path, "train", WORDS, TAGS)
    write(path, "test", ["the cat"], ["at zz"])
    task, network, examples = opened(recipe(path), "test")
    assert examples.targets == [[task.labels.encode(["at"])[0], UNK]]
    assert task.references(examples.batch(np.arange(1))) == ["at ?"]
    score = task.scores(["at nn"], examples.references())["accuracy"]
    assert score.value == 50
    assert task.predict(network, examples.batch(np.arange(1)))[0].count(" ") == 1


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        (["a b c", "a"], ["x y z", "x y"], r"train.en:2: 1 words, 2 tags"),
        (["a b"], ["x x"], "1 different label,"),
        ([], [], "is empty"),
        (["a", "b"], ["x"], "2 lines but train.tags has 1"),
    ],
)
def test_bad_files_get_one_line(
    tmp_path: Path, words: list[str], tags: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        TaggingReader(recipe(write(tmp_path, "train", words, tags)), None).read("train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"frames": [[1, 2]], "labels": ["a b"]}', "'a b' of a frame is not one word"),
        ('{"frames": [[1, 2]], "labels": [""]}', "'' of a frame is not one word"),
        ('{"frames": [[1, 2]], "labels": [null]}', "no label came"),
        ('{"frames": [[1, 2]]}', "no labels came"),
        ('{"frames": [[1, 2]], "labels": []}', "1 frames, 0 tags"),
        ('{"frames": [[1]], "labels": ["a"]}', "frames of 1 number came, but"),
        ('{"words": ["a"], "tags": ["b"]}', r"words are read from train.en and"),
    ],
)
def test_bad_rows_of_frames_get_one_line(
    tmp_path: Path, row: str, message: str
) -> None:
    first = '{"frames": [[1, 2]], "labels": ["a"]}'
    (tmp_path / "train.jsonl").write_text(f"{first}\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"train.jsonl:2: .*{message}") as caught:
        TaggingReader(recipe(tmp_path), None).read("train")
    assert "\n" not in str(caught.value)


def test_a_split_of_words_does_not_go_with_frames(tmp_path: Path) -> None:
    row = '{"frames": [[1, 2]], "labels": ["a"]}'
    (tmp_path / "test.jsonl").write_text(row, encoding="utf-8")
    reader = TaggingReader(recipe(write(tmp_path, "train", WORDS, TAGS)), None)
    with pytest.raises(UserError, match=r"split test: frames of 2 numbers came"):
        reader.read("test")


def test_segmentation_by_characters_has_the_f1_of_words(tmp_path: Path) -> None:
    path = write(tmp_path, "train", ["我 们 去", "你 们 去"], ["B E S", "B E S"])
    task, _, _ = opened(recipe(path))
    scores = task.scores(["B E S", "S S S"], ["B E S", "B E S"])
    assert scores["accuracy"].value == pytest.approx(100 * 4 / 6)
    assert scores["word_f1"].value == pytest.approx(100 * 2 * 3 / (5 + 4))


@pytest.mark.parametrize("back", [1, 3])
def test_nback_asks_for_what_was_shown_before(back: int) -> None:
    sources, labels = nback_examples("train", 200, back=back)
    noise = np.stack(sources) - np.sign(sources)
    assert abs(noise.std() - 0.3) < 0.01
    assert noise.mean(axis=1).std() < 0.1  # Every frame draws its own.
    agreed, again, total = 0, 0, 0
    for frames, names in zip(sources, labels, strict=True):
        for i, name in enumerate(names):
            distance = ((frames[i] - frames[i - back]) ** 2).sum()
            total += 1
            again += name == "yes"
            agreed += (i >= back and distance < 6.5) == (name == "yes")
    assert abs(again / total - 0.5) < 0.03
    assert agreed / total > 0.99  # Noise makes some shapes alike.


def test_shapes_of_the_test_are_in_no_other_split() -> None:
    shapes = {
        split: {tuple(f > 0) for s in nback_examples(split, 50, back=1)[0] for f in s}
        for split in ("train", "test")
    }
    assert not shapes["train"] & shapes["test"]
