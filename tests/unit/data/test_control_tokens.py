"""Tokens of languages and tags: at the start of sources, and never made of text."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.preprocessing import preprocess
from seq2seq.data.tokenizer import Tokenizer, Tokenizers, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from tests.helpers.corpora import data_options
from tests.helpers.many_languages import recipe_of, write_corpus

CONTROL = ["<2de>", "<2fr>", "<synthetic>"]
SPELT = ["<2fr>", "<2fr> the man", "a<2de>", "▁<2fr>", "<synthetic>", "<2fr><2fr>"]
FR, SYNTHETIC = 5, 6


@pytest.fixture(scope="module", params=["unigram", "bpe", "char"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    lines = [
        *SPELT,
        *(line for pair in phrase_pairs("train", count=60) for line in pair),
    ]
    options = TokenizerOptions(model_type=request.param, vocab_size=90)
    if request.param == "char":
        options = TokenizerOptions(model_type="char", vocab_size=40)
    return train_tokenizer(lines, options, CONTROL)


def test_no_text_spells_a_control_token(tokenizer: Tokenizer) -> None:
    encoded = [token for ids in tokenizer.encode(SPELT) for token in ids]
    assert not {4, FR, SYNTHETIC} & set(encoded)
    assert not tokenizer.has_control("<2cs>")
    assert tokenizer.encode(["the"])[0][0] > SYNTHETIC


def test_sources_begin_with_the_tokens_of_their_target(tokenizer: Tokenizer) -> None:
    plain = tokenizer.encode(["the man", "", "<2de>"])
    french = copy.deepcopy(tokenizer.for_target("fr", "synthetic"))
    prefix = [FR, SYNTHETIC]
    assert french.encode(["the man", "", "<2de>"]) == [
        [*prefix, *plain[0]],
        [],
        [*prefix, *plain[2]],
    ]
    assert tokenizer.for_target("cs").prefix == ()
    assert tokenizer.decode([french.encode(["the man"])[0]]) == ["the man"]


def test_every_corpus_is_encoded_for_its_own_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    recipe = recipe_of(write_corpus(tmp_path / "corpus"))
    lines: list[str] = []
    done = preprocess(recipe.data, recipe.tokenizer, lines.append)
    rows = pa.ipc.open_file(done.path).read_all().to_pydict()
    tokens = done.tokenizers.source.id_to_tokens(range(7))
    assert tokens[4:] == ["<2en>", "<2fr>", "<synthetic>"]
    assert [ids[0] for ids in rows["source"]] == [4] * 40 + [5] * 40 + [4] * 40
    assert [6 in ids for ids in rows["source"]] == [False] * 80 + [True] * 40
    texts = done.tokenizers.target.decode(rows["target"])
    assert texts[40].split() == texts[0].split()[::-1]
    untagged = recipe.data.model_copy(update={"mix": recipe.data.mix[:1]})
    again = preprocess(untagged, recipe.tokenizer, lines.append)
    assert again.fingerprint != done.fingerprint
    with pytest.raises(UserError, match=r"no token <synthetic>.*update_vocab=true"):
        preprocess(
            recipe.data, recipe.tokenizer, lines.append, tokenizers=again.tokenizers
        )


def test_the_same_text_in_two_languages_is_no_duplicate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    for language in ("en", "de", "fr"):
        (tmp_path / f"train.{language}").write_text("taxi one\ntaxi two\n")
    data = data_options(
        tmp_path, mix=[{"path": str(tmp_path), "target": "fr"}], drop_copies=False
    )
    characters = TokenizerOptions(model_type="char", vocab_size=20)
    assert preprocess(data, characters, lambda line: None).stats.kept == 4


def many(**mix: Any) -> DataOptions:
    french = {"path": "b", "target": "fr", "split": "all", "header": True}
    return data_options("a", mix=[french, {"path": "c", "source": "cs"}], **mix)


def test_the_corpus_of_a_pair_comes_first_and_the_others_stay() -> None:
    data = many(max_pairs=7)
    assert data.pairs == [("en", "de"), ("en", "fr"), ("cs", "de")]
    french = data.for_pair(("en", "fr"))
    assert (french.path, french.splits.train, french.header) == ("b", "all", True)
    assert set(french.pairs) == set(data.pairs)
    assert french.into("de").path == data.into("de").path == "a"
    assert data.for_pair(("cs", "fr")).path == "a"  # Zero-shot.
    assert data.for_pair(("cs", "de")).path == "c"


def test_several_target_languages_need_a_name() -> None:
    with pytest.raises(UserError, match=r"into de, fr; name one: --to fr"):
        many().into(None)
    with pytest.raises(UserError, match=r"into de, fr, not 'cs'"):
        many().into("cs")
    with pytest.raises(ValueError, match="both 'en'"):
        data_options("a", mix=[{"path": "b", "target": "en"}])


def test_the_tokens_of_both_sides_are_told_apart(tokenizer: Tokenizer) -> None:
    files = Tokenizers(tokenizer.for_target("fr"), tokenizer).to_files()
    assert Tokenizers.from_files(files).source.prefix == ()
