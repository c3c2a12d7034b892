"""Language codes."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.training.train import train
from seq2seq.utils.files import write_lines
from seq2seq.utils.languages import check_language, is_language, primary_subtag


@pytest.mark.parametrize(
    "code",
    [
        *("de", "DE", "zh", "yue", "deu", "ger", "chi", "hsb", "sh", "iw"),
        *("zh-Hans", "zh_Hant_TW", "pt-BR", "pt_br", "sr-Latn", "deu_Latn", "es-419"),
        *("zho_Hans", "zh-cmn-Hans-CN", "de-1996", "x-klingon", "qaa", "qtz-Latn"),
    ],
)
def test_codes_of_iso_639_and_their_subtags_are_languages(code: str) -> None:
    assert is_language(code)
    check_language(code)


@pytest.mark.parametrize(
    "code",
    [
        *(
            "zz",
            "jp",
            "cn",
            "cz",
            "german",
            "target",
            "qza",
            "",
            "d",
            "de-",
            "-de",
            "x",
        ),
        *("de de", "de\n", "zz-DE", "en1", "de-DE.UTF-8", "中文", "de-überlanges"),
    ],
)
def test_what_is_no_code_is_refused_in_one_line(code: str) -> None:
    assert not is_language(code)
    with pytest.raises(UserError, match="ISO 639 has no such code") as error:
        check_language(code)
    paste = str(error.value).removesuffix(".").rsplit(" ", 1)[1]
    assert is_language(paste)


def printed_before_steps(folder: Path, target: str) -> str:
    """Return what a training prints before it takes its first step."""
    recipe = Recipe.model_validate(
        {
            "data": {"path": str(folder), "source": "en", "target": target},
            "tokenizer": {"model_type": "char", "vocab_size": 60},
            "train": {"max_steps": 1},
        }
    )
    console = Console(file=io.StringIO(), width=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seq2seq.training.train._fit_with_retries", lambda _: None)
        with suppress(UserError):
            train(recipe, folder / "run", console=console, device="cpu")
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "code"), [("german", "de"), ("Chinese", "zh")])
def test_the_name_of_a_language_is_met_with_its_code(name: str, code: str) -> None:
    with pytest.raises(UserError, match=f"Give --language {code}$"):
        check_language(name)


@pytest.mark.parametrize("target", ["deutsch", "de"])
def test_data_that_is_missing_is_an_error_without_a_warning(
    target: str, tmp_path: Path
) -> None:
    assert "code" not in printed_before_steps(tmp_path, target)


@pytest.mark.parametrize(("target", "warns"), [("deutsch", True), ("de", False)])
def test_training_warns_of_a_private_name_of_the_target_language(
    target: str, warns: bool, tmp_path: Path
) -> None:
    for split, shift in (("train", 0), ("valid", 60)):
        pairs = list(phrase_pairs("train", count=90))[shift:][:60]
        for side, language in enumerate(("en", target)):
            write_lines(
                tmp_path / f"{split}.{language}", [pair[side] for pair in pairs]
            )
    printed = printed_before_steps(tmp_path, target)
    assert ("data.target 'deutsch' is no language code" in printed) == warns


def test_the_language_precedes_script_and_region() -> None:
    assert [*map(primary_subtag, ("zh-Hans", "deu_Latn", "PT_br"))] == [
        *("zh", "deu", "pt")
    ]
