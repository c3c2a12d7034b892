"""Word segmentation: tags of characters, and lines back from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seq2seq.errors import UserError
from seq2seq.evaluation.answer import label_lines
from seq2seq.recipe import TaggingRecipe
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.segmentation import join_words, tag_characters
from seq2seq.tasks.tagging_data import TaggingReader
from seq2seq.training.train import train


def recipe(path: object, **data: Any) -> TaggingRecipe:
    return TaggingRecipe.model_validate(
        {
            "task": "tagging",
            "data": {"path": str(path), **data},
            "model": {
                "embedding_size": 16,
                "encoder": {"layers": 1, "hidden_size": 16},
                "dropout": 0.0,
            },
            "train": {
                "max_steps": 40,
                "validate_every": 40,
                "checkpoint_every": 40,
                "label_smoothing": 0.0,
                "optimizer": {"kind": "adam", "learning_rate": 0.03},
            },
        }
    )


@pytest.mark.parametrize(
    ("line", "tags"),
    [
        ("我们 去 图书馆", "B E S B M E"),
        ("  a\u3000bcde ", "S B M M E"),
        ("\U0001f600x y", "B E S"),
        ("", ""),
    ],
)
def test_tags_of_characters_give_the_words_back(line: str, tags: str) -> None:
    characters, given = tag_characters(line)
    assert given == tags.split()
    assert join_words("".join(characters), given) == " ".join(line.split())


def test_blanks_of_a_line_stay_and_no_character_is_lost() -> None:
    assert join_words("我们去 iPhone", list("BESBMMMEB")) == ("我们 去 iPhon e")
    assert join_words("ab cd", list("BBBB")) == "ab cd"


def test_copy_is_read_as_words_whose_last_tags_are_the_first_words() -> None:
    reader = TaggingReader(recipe("copy", length=5), None)
    examples: Any = reader.read("valid")
    assert len(examples.words) == 200
    for words, tags in zip(examples.words, examples.tags, strict=True):
        assert len(words) == len(tags) == 25
        assert tags[-10:] == words[:10]
        assert set(tags[:-10]) == {"."}
        assert words.index("?") == 14


@pytest.mark.parametrize("data", [{}, {"length": 5, "back": 2}])
def test_copy_needs_its_length_and_nothing_of_nback(data: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"data\.(length|back) is for data\.path"):
        recipe("copy", **data)


def test_a_trained_segmentation_writes_lines_with_blanks(tmp_path: Path) -> None:
    text = "我们 去 图书馆\n你们 去 图书馆\n我们 看 你们\n" * 4
    for split in ("train", "valid"):
        (tmp_path / f"{split}.zh").write_text(text, encoding="utf-8")
    train(recipe(tmp_path, language="zh", boundaries=True), tmp_path / "run")
    run = TaskRun.open(tmp_path / "run")
    lines = ["我们看图书馆", "", "你们去 x"]
    answers = [answer.text for answer in label_lines(run, lines, device="cpu")]
    assert answers[0] == "我们 看 图书馆"
    assert answers[1] == ""
    assert "".join(answers[2].split()) == "你们去x"
    assert answers[2].endswith(" x")


def test_boundaries_of_a_missing_split_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train"):
        TaggingReader(recipe(tmp_path, boundaries=True), None).read("train")
