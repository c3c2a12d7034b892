"""SentencePiece as this project uses it: reversible, repeatable, and never empty."""

from __future__ import annotations

import pickle
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq import types
from seq2seq.data import tokenizer as tokenizer_module
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.tokenizer import CONTROL, Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import TokenizerOptions

KINDS = ["unigram", "bpe", "char"]
LINES = [line for pair in phrase_pairs("train", count=300, seed=0) for line in pair]
ALPHABET = sorted(set("".join(LINES)))
CHINESE = ["你好，世界！", "我喜欢猫，也喜欢狗。", "他说：“是吗？”", "（真的）…"] * 5
EXOTIC = {
    "no break": "\xa0",
    "ideographic": "\u3000",
    "thin": "\u2009",
    "line separator": "\u2028",
    "next line": "\x85",
    "tab": "\t",
    "carriage return": "\r",
    "nul": "\0",
}


def train(lines: list[str] = LINES, **options: Any) -> Tokenizer:
    options = {"vocab_size": 150, **options}
    return train_tokenizer(lines, TokenizerOptions(**options))


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train(model_type=request.param)


@pytest.fixture(scope="module")
def unigram() -> Tokenizer:
    return train()


def test_control_tokens_are_those_of_the_network() -> None:
    names = ("PAD", "UNK", "BOS", "EOS")
    assert tuple(getattr(types, name) for name in names) == CONTROL
    assert tuple(getattr(tokenizer_module, name) for name in names) == CONTROL


def test_white_space_of_unicode_becomes_a_space_and_controls_are_removed() -> None:
    separators = {"\x1c", "\x1d", "\x1e", "\x1f"}
    characters = [chr(code) for code in range(0x110000)]
    spaces = {text for text in characters if text.isspace()} - separators - {" "}
    spaces.add("\0")
    controls = {text for text in characters if unicodedata.category(text) == "Cc"}
    mapping = {chr(code): text for code, text in tokenizer_module._MAPPING.items()}
    assert {text for text in mapping if mapping[text] == " "} == spaces
    removed = {text for text in mapping if mapping[text] is None}
    assert removed - set("\xad\u200b\u2060\ufeff") == controls - spaces


def test_every_kind_trains(tokenizer: Tokenizer) -> None:
    assert len(ALPHABET) < len(tokenizer) <= 150
    ids = [token for line in tokenizer.encode(LINES) for token in line]
    assert min(ids) > max(CONTROL)  # Neither control tokens nor unknown ones.
    assert max(ids) < len(tokenizer)


@settings(max_examples=60)
@given(text=st.text(ALPHABET, max_size=60))
def test_text_with_plain_white_space_comes_back(
    tokenizer: Tokenizer, text: str
) -> None:
    plain = " ".join(text.split())
    assert tokenizer.decode(tokenizer.encode([plain])) == [plain]
    # Other white space is made plain.
    assert tokenizer.decode(tokenizer.encode([text])) == [plain]


@settings(max_examples=60)
@given(lines=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
def test_any_lines_give_as_many(unigram: Tokenizer, lines: list[str]) -> None:
    ids = unigram.encode(lines)
    assert len(ids) == len(unigram.decode(ids)) == len(lines)
    assert not {0, 2, 3} & {token for line in ids for token in line}
    assert ids == [unigram.encode([line])[0] for line in lines]


def test_training_text_comes_back(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(LINES)) == LINES


def test_characters_get_the_tokens_that_control_tokens_leave() -> None:
    sample = [chr(0x4E00 + number) for number in range(150)]
    options = TokenizerOptions(model_type="char", vocab_size=152)
    assert tokenizer_module._coverage(sample, options, 4) == 148 / 150
    assert tokenizer_module._coverage(sample, options, 5) == 147 / 150
    larger = options.model_copy(update={"vocab_size": 154})
    assert tokenizer_module._coverage(sample, larger, 4) == 1


def test_of_too_many_lines_every_second_or_fourth_is_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenizer_module, "MAX_LINES", 8)
    sample = tokenizer_module._sample(map(str, range(20)))
    assert sample == ["0", "4", "8", "12", "16"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_gives_the_same_bytes(kind: str) -> None:
    assert train(model_type=kind).model == train(model_type=kind).model


def test_a_vocabulary_too_large_says_what_is_possible() -> None:
    for kind in ("unigram", "bpe"):
        with pytest.raises(UserError) as caught:
            train(model_type=kind, vocab_size=8000)
        match = re.fullmatch(
            r"tokenizer\.vocab_size is 8,000, but this text yields at most ([\d,]+) "
            r"tokens\. Lower tokenizer\.vocab_size or add text\.",
            str(caught.value),
        )
        assert match, str(caught.value)
        max_size = int(match[1].replace(",", ""))
        assert len(train(model_type=kind, vocab_size=max_size)) == max_size


def test_the_possible_size_is_possible_where_fewer_tokens_cover_fewer_characters() -> (
    None
):
    nouns, adjectives = "film book meal hotel song", "great lovely fine bad poor dull"
    lines = [f"the {n} was {a}" for n in nouns.split() for a in adjectives.split()]
    with pytest.raises(UserError, match="at most") as caught:
        train(lines, vocab_size=4000)
    size = int(str(caught.value).split("at most ")[1].split()[0])
    assert len(train(lines, vocab_size=size)) == size


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_vocabulary_too_small_for_the_characters_says_so(kind: str) -> None:
    with pytest.raises(UserError) as caught:
        train(model_type=kind, vocab_size=20, character_coverage=1.0)
    assert str(caught.value) == (
        "tokenizer.vocab_size is 20, fewer than the text's characters need. Raise "
        "tokenizer.vocab_size or lower tokenizer.character_coverage."
    )


@pytest.mark.parametrize("lines", [[], ["", " ", "\t"]])
def test_no_text_is_an_error_for_people(lines: list[str]) -> None:
    with pytest.raises(UserError):
        train(lines)


@pytest.mark.parametrize("name", EXOTIC)
def test_exotic_white_space_is_a_blank(unigram: Tokenizer, name: str) -> None:
    space = EXOTIC[name]
    ids = unigram.encode([f"{space}a{space}b{space}"])
    assert ids == unigram.encode(["a b"])
    assert unigram.decode(ids) == ["a b"]


@pytest.mark.parametrize("code", [0x1, 0x7, 0x1B, 0x7F, 0xAD, 0x200B, 0x2060, 0xFEFF])
def test_what_has_no_width_is_gone(unigram: Tokenizer, code: int) -> None:
    assert unigram.encode([f"a{chr(code)}b"]) == unigram.encode(["ab"])


def test_text_after_nul_is_kept_when_training() -> None:
    lines = [f"a\0{letter}" for letter in "bcdefgh"] * 3
    trained = train(lines, model_type="char")
    assert trained.decode(trained.encode(["h g f"])) == ["h g f"]


@pytest.mark.parametrize("line", ["", " ", "\0", "\u3000\t", "\u200b"])
def test_a_blank_line_has_no_tokens(tokenizer: Tokenizer, line: str) -> None:
    assert tokenizer.encode([line]) == [[]]
    assert tokenizer.decode([[]]) == [""]


def test_chinese_punctuation_is_kept() -> None:
    trained = train(CHINESE, model_type="char")
    lines = [*CHINESE[:4], "，。！？：“”（）…"]
    assert trained.decode(trained.encode(lines)) == lines


def test_an_unknown_character_shows(unigram: Tokenizer) -> None:
    assert "⁇" in unigram.decode(unigram.encode(["中"]))[0]


@pytest.mark.parametrize("end", [0, 1, 50, -300, -1])
def test_a_damaged_model_is_an_error_for_people(
    unigram: Tokenizer, tmp_path: Path, end: int
) -> None:
    path = tmp_path / "damaged.model"
    path.write_bytes(unigram.model[:end])
    with pytest.raises(UserError, match=r"damaged\.model: "):
        Tokenizer.load(path)


def test_bytes_of_something_else_are_an_error_for_people() -> None:
    with pytest.raises(UserError, match="this is no SentencePiece model"):
        Tokenizer(b"not a model at all")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.model: cannot be read: No such file"):
        Tokenizer.load(tmp_path / "none.model")


def test_a_tokenizer_can_be_saved_and_pickled(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "a.model")
    copies = [
        Tokenizer.load(tmp_path / "a.model"),
        pickle.loads(pickle.dumps(tokenizer)),  # noqa: S301
    ]
    for copy in copies:
        assert copy.model == tokenizer.model
        assert copy.encode(LINES[:20]) == tokenizer.encode(LINES[:20])
