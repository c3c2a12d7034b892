"""Which words of the source a translation looks at, and pictures of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.engines.engine import TorchEngine
from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.alignment import (
    Alignment,
    align,
    concatenate,
    replace_unknowns,
    word_indices,
)
from seq2seq.translate.attention_plot import plot_attention
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with attention and one without."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "one")
    make_run(folder / "none", seed=4, attention={"kind": "none"})
    return folder


@given(
    st.lists(
        st.text(st.sampled_from("▁ab."), min_size=1, max_size=4), min_size=1, max_size=8
    )
)
def test_every_piece_belongs_to_the_word_that_holds_it(pieces: list[str]) -> None:
    words = [word for word in "".join(pieces).split("▁") if word]
    numbers = word_indices(pieces)
    assert numbers == sorted(numbers)
    concatenate = [""] * max(len(words), 1)
    for piece, number in zip(pieces, numbers, strict=True):
        head, *rest = piece.lstrip("▁").split("▁")
        concatenate[number] += head
        for more in [part for part in rest if part]:
            number += 1  # noqa: PLW2901, a piece over several words
            concatenate[number] += more
    assert [word for word in concatenate if word] == words


def test_pieces_become_words() -> None:
    source = ["▁The", "▁do", "g", "."]
    target = ["▁Der", "▁", "Hund", "."]
    weights = np.array(
        [
            [0.9, 0.1, 0.0, 0.0],
            [0.6, 0.2, 0.2, 0.0],
            [0.1, 0.4, 0.5, 0.0],
            [0.0, 0.0, 0.1, 0.9],
        ],
        dtype=np.float32,
    )
    found = align(source, target, weights)
    assert found.source == ("The", "dog.")
    assert found.target == ("Der", "Hund.")
    expected = [[0.9, 0.1], [0.7 / 3, 2.3 / 3]]
    assert np.allclose(found.weights, expected)
    assert found.pharaoh() == "0-0 1-1"
    twice = concatenate([found, found])
    assert twice.pharaoh() == "0-0 1-1 2-2 3-3"
    assert concatenate([align([], [], np.zeros((0, 0), np.float32))]).pharaoh() == ""


@pytest.mark.parametrize(
    ("target", "reads", "text"),
    [
        ("▁Ich ▁? .", [0, 2, 2], "Ich Łukasz."),
        ("▁Ich ▁ ? uk a sz .", [0, 2, 2, 2, 2, 2, 2], "Ich Łukasz."),
        ("▁Ich ▁x ? ? , ▁ja", [0, 1, 2, 2, 2, 2], "Ich Łukasz, ja"),
        ("▁Ich ▁? ▁? .", [0, 1, 2, 2], "Ich am Łukasz."),
        ("▁我 是 ? 。", [0, 1, 2, 2], "我是Łukasz。"),
    ],
)
def test_unknown_pieces_become_the_source_words_they_look_at(
    target: str, reads: list[int], text: str
) -> None:
    source = ["▁I", "▁am", "▁Łukasz", ","]
    pieces = target.split()
    # SentencePiece gives the blank before an unknown piece to a piece of its own.
    flat: list[tuple[str, int]] = []
    for piece, read in zip(pieces, reads, strict=True):
        if piece == "▁?":
            flat.append(("▁", read))
        flat.append((piece.replace("▁?", "?"), read))
    ids = [1 if piece == "?" else 9 for piece, _ in flat]
    weights = np.zeros((len(flat), 4), dtype=np.float32)
    for row, (_, read) in enumerate(flat):
        weights[row, read] = 1.0
    assert replace_unknowns(ids, [piece for piece, _ in flat], source, weights) == text


def test_alignments_are_of_the_words_that_come_out(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    lines = [*LINES, "A dog sleeps. " * 6]
    options = TranslationOptions(align=True, max_length=20)
    plain = translator(lines, options=TranslationOptions(max_length=20))
    for line, text, found in zip(
        lines, plain, translator.translate_batch(lines, options), strict=True
    ):
        assert found.text == text
        if found.alignment is None:
            assert text == ""
            continue
        if "⁇" not in text:
            assert " ".join(found.alignment.target) == text
        words = "".join(translator.source.surface_tokens([line])[0]).split("▁")
        assert list(found.alignment.source) == [word for word in words if word]
        sums = found.alignment.weights.sum(axis=1)
        assert (sums <= 1 + 1e-5).all()
        assert len(found.alignment.links()) == len(found.alignment.target)


def test_alignments_do_not_depend_on_the_batch(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    whole = translator.translate_batch(LINES, TranslationOptions(align=True))
    for line, found in zip(LINES, whole, strict=True):
        (alone,) = translator.translate_batch(
            [line], TranslationOptions(align=True, batch=1)
        )
        if found.alignment is None or alone.alignment is None:
            assert found.alignment is alone.alignment
            continue
        assert np.allclose(alone.alignment.weights, found.alignment.weights, atol=1e-5)


def test_unknown_pieces_are_replaced_in_translations(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    with torch.no_grad():
        engine = translator.engine
        assert isinstance(engine, TorchEngine)
        engine.network.decoder.output.bias[1] += 50.0  # Says nothing but unknown.
    (found,) = translator.translate_batch(
        ["The dog."], TranslationOptions(replace_unknown=True)
    )
    assert "⁇" in translator(["The dog."])[0]
    assert "⁇" not in found.text
    assert set(found.text.split()) <= {"The", "dog"}


def test_a_run_without_attention_aligns_nothing(runs: Path, tmp_path: Path) -> None:
    translator = Translator.load(runs / "none")
    for options in (
        TranslationOptions(align=True),
        TranslationOptions(replace_unknown=True),
    ):
        with pytest.raises(UserError, match=r"has no attention, so nothing"):
            translator.translate_batch(["A dog."], options)
    picture = tmp_path / "a.svg"
    _, errors = call("heatmap", runs / "none", "A dog.", "--output", picture)
    assert "has no attention" in errors
    assert not picture.exists()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_heatmap_is_drawn_the_same_way_twice(
    runs: Path, tmp_path: Path, suffix: str
) -> None:
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    out, _ = call("heatmap", runs / "one", "The dog costs $5$ <b>.", "--output", one)
    assert lines_of(out) == Translator.load(runs / "one")(["The dog costs $5$ <b>."])
    call("heatmap", runs / "one", "The dog costs $5$ <b>.", "--output", two)
    assert one.read_bytes() == two.read_bytes()
    magic = {".svg": b"<?xml", ".png": b"\x89PNG"}[suffix]
    assert one.read_bytes().startswith(magic)


def test_pictures_of_other_kinds_or_of_nothing_are_refused(
    runs: Path, tmp_path: Path
) -> None:
    weights = np.ones((1, 1), np.float32)
    with pytest.raises(UserError, match=r"must end in \.svg, \.png, \.pdf"):
        plot_attention(Alignment(("a",), ("b",), weights), tmp_path / "a.gif")
    with pytest.raises(UserError, match="there are no words to align"):
        plot_attention(
            Alignment(("a",), (), np.zeros((0, 1), np.float32)), tmp_path / "a.svg"
        )
    _, errors = call("heatmap", runs / "one", " ", "--output", tmp_path / "a.svg")
    assert "the sentence is blank" in errors
