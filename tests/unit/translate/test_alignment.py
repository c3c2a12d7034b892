"""Word alignments, replacement of unknown tokens, and attention heatmaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.engines.engine import TorchEngine
from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.alignment import (
    Alignment,
    AlignmentBlock,
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
def test_every_token_belongs_to_the_word_that_contains_it(tokens: list[str]) -> None:
    words = [word for word in "".join(tokens).split("▁") if word]
    numbers = word_indices(tokens)
    assert numbers == sorted(numbers)
    joined = [""] * max(len(words), 1)
    for token, number in zip(tokens, numbers, strict=True):
        head, *rest = token.lstrip("▁").split("▁")
        joined[number] += head
        for more in [part for part in rest if part]:
            number += 1  # noqa: PLW2901, a token over several words
            joined[number] += more
    assert [word for word in joined if word] == words


def test_tokens_become_words() -> None:
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
    alignment = align(source, target, weights)
    assert alignment.source == ("The", "dog.")
    assert alignment.target == ("Der", "Hund.")
    expected = [[0.9, 0.1], [0.7 / 3, 2.3 / 3]]
    assert np.allclose(alignment.weights, expected)
    assert alignment.to_pharaoh() == "0-0 1-1"


def _alignment(
    source: Sequence[str], target: Sequence[str], weights: np.ndarray
) -> Alignment:
    block = AlignmentBlock(0, 0, weights.astype(np.float32))
    return Alignment(tuple(source), tuple(target), (block,))


segments = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans(), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(segments, st.integers(0, 99))
def test_links_of_blocks_are_those_of_the_whole_matrix(
    shapes: list[tuple[int, int, bool, bool]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    line = concatenate(
        [
            _alignment("a" * columns, "b" * rows, random.uniform(1, 2, (rows, columns)))
            for rows, columns, _, _ in shapes
        ],
        source_spaces=[space for *_, space, _ in shapes],
        target_spaces=[space for *_, space in shapes],
    )
    best = line.weights.argmax(axis=1) if line.weights.size else []
    assert line.links() == sorted((int(s), t) for t, s in enumerate(best))
    assert "".join(line.target) == "b" * sum(rows for rows, *_ in shapes)


@pytest.mark.parametrize("space", [True, False])
def test_an_alignment_takes_memory_in_proportion_to_the_line(
    monkeypatch: pytest.MonkeyPatch, space: bool
) -> None:
    def fail(_: Alignment) -> None:
        raise AssertionError("no one needs the whole matrix")

    monkeypatch.setattr(Alignment, "weights", property(fail))
    parts = [_alignment("ab", "cd", np.eye(2))] * 5000
    spaces = [space] * 5000
    line = concatenate(parts, source_spaces=spaces, target_spaces=spaces)
    assert sum(block.weights.size for block in line.blocks) == 4 * 5000
    assert len(line.links()) == len(line.target)


@pytest.mark.parametrize(
    ("source", "target", "num_source", "num_target"),
    [("en", "zh", 5, 1), ("zh", "en", 1, 2), ("en", "de", 5, 2)],
)
def test_each_language_has_its_own_blanks_between_sentences(
    runs: Path, source: str, target: str, num_source: int, num_target: int
) -> None:
    translator = Translator.load(runs / "one")
    data = translator.recipe.data.model_copy(
        update={"source": source, "target": target}
    )
    translator.recipe = translator.recipe.model_copy(update={"data": data})
    sentences = ["A dog sleeps.", "The cat."]
    line = " ".join(sentences)
    if source == "zh":
        sentences = ["狗。", "猫。"]
        line = "".join(sentences)
    *single, both = translator.translate_batch(
        [*sentences, line], TranslationOptions(align=True)
    )
    assert both.num_segments == 2
    assert both.alignment is not None
    assert len(both.alignment.source) == num_source
    words = [translation.alignment.target for translation in single]
    expected = sum(map(len, words)) - (num_target == 1)
    assert len(both.alignment.target) == expected


def test_the_words_of_later_segments_come_after_those_of_earlier_ones() -> None:
    def joined(*spaces: tuple[bool, bool]) -> Alignment:
        before, after = zip(*spaces, strict=True)
        alignments = [_alignment(("a", "b."), ("c", "d."), np.eye(2))]
        return concatenate(
            alignments * len(spaces), source_spaces=before, target_spaces=after
        )

    apart = joined((False, False), (True, True))
    assert apart.source == ("a", "b.", "a", "b.")
    assert apart.to_pharaoh() == "0-0 1-1 2-2 3-3"
    # Without a blank between them, the words of a line are fewer.
    glued = joined((False, False), (False, True), (True, False))
    assert glued.source == ("a", "b.a", "b.", "a", "b.")
    assert glued.target == ("c", "d.", "c", "d.c", "d.")
    assert glued.to_pharaoh() == "0-0 1-1 1-2 2-3 4-4"
    assert glued.weights.sum(axis=1).tolist() == [1.0] * 5
    empty = Alignment((), (), ())
    spaces = {"source_spaces": [False] * 2, "target_spaces": [False] * 2}
    assert concatenate([apart, empty], **spaces).to_pharaoh() == apart.to_pharaoh()
    assert concatenate([empty, apart], **spaces).to_pharaoh() == apart.to_pharaoh()


@pytest.mark.parametrize(
    ("target", "attended", "text"),
    [
        ("▁Ich ▁? .", [0, 2, 2], "Ich Łukasz."),
        ("▁Ich ▁ ? uk a sz .", [0, 2, 2, 2, 2, 2, 2], "Ich Łukasz."),
        ("▁Ich ▁x ? ? , ▁ja", [0, 1, 2, 2, 2, 2], "Ich Łukasz, ja"),
        ("▁Ich ▁? ▁? .", [0, 1, 2, 2], "Ich am Łukasz."),
        ("▁我 是 ? 。", [0, 1, 2, 2], "我是Łukasz。"),
        ("▁ ? \u0941 ि ▁ja", [2, 2, 2, 2, 2], "Łukasz ja"),
        ("▁Ich ▁? .", [0, 4, 4], "Ich बिल्ली."),
    ],
)
def test_unknown_tokens_become_the_source_words_they_are_aligned_with(
    target: str, attended: list[int], text: str
) -> None:
    source = ["▁I", "▁am", "▁Łukasz", ",", "▁बिल्ली", "।"]
    tokens = target.split()
    # SentencePiece gives the blank before an unknown token to a token of its own.
    flat: list[tuple[str, int]] = []
    for token, column in zip(tokens, attended, strict=True):
        if token == "▁?":
            flat.append(("▁", column))
        flat.append((token.replace("▁?", "?"), column))
    ids = [1 if token == "?" else 9 for token, _ in flat]
    weights = np.zeros((len(flat), 6), dtype=np.float32)
    for row, (_, column) in enumerate(flat):
        weights[row, column] = 1.0
    assert replace_unknowns(ids, [token for token, _ in flat], source, weights) == text


def test_alignments_are_of_the_words_that_come_out(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    lines = [*LINES, "A dog sleeps. " * 6]
    options = TranslationOptions(align=True, max_input_length=20)
    plain = translator(lines, options=TranslationOptions(max_input_length=20))
    for line, text, translation in zip(
        lines, plain, translator.translate_batch(lines, options), strict=True
    ):
        assert translation.translation == text
        if translation.alignment is None:
            assert text == ""
            continue
        if "⁇" not in text:
            assert " ".join(translation.alignment.target) == text
        words = "".join(translator.source.surface_tokens([line])[0]).split("▁")
        assert list(translation.alignment.source) == [word for word in words if word]
        sums = translation.alignment.weights.sum(axis=1)
        assert (sums <= 1 + 1e-5).all()
        assert len(translation.alignment.links()) == len(translation.alignment.target)


def test_an_alignment_is_of_the_best_translation_that_constraints_leave(
    runs: Path,
) -> None:
    translator = Translator.load(runs / "one")
    line, options = "A dog sleeps. The cat.", TranslationOptions(n_best=3, align=True)
    (free,) = translator.translate_batch([line], options)
    first, second = translator(["A dog sleeps.", "The cat."])
    # Each sentence alone may be translated so, but not one after the other.
    forbidden = f"{first.split()[-1]} {second.split()[0]}"
    request = TranslationRequest(line, forbidden=(forbidden,))
    (translation,) = translator.translate_batch([request], options)
    assert forbidden in free.translation
    assert forbidden not in translation.translation
    assert translation.alignment is not None
    assert " ".join(translation.alignment.target) == translation.translation


def test_alignments_do_not_depend_on_the_batch(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    whole = translator.translate_batch(LINES, TranslationOptions(align=True))
    for line, translation in zip(LINES, whole, strict=True):
        (alone,) = translator.translate_batch(
            [line], TranslationOptions(align=True, batch_size=1)
        )
        if translation.alignment is None or alone.alignment is None:
            assert translation.alignment is alone.alignment
            continue
        assert np.allclose(
            alone.alignment.weights, translation.alignment.weights, atol=1e-5
        )


def test_unknown_tokens_are_replaced_in_translations(runs: Path) -> None:
    translator = Translator.load(runs / "one")
    with torch.no_grad():
        engine = translator.engine
        assert isinstance(engine, TorchEngine)
        engine.network.decoder.output_layer.bias[1] += (
            50.0  # Generates unknown tokens only.
        )
    (translation,) = translator.translate_batch(
        ["The dog."], TranslationOptions(replace_unk=True)
    )
    assert "⁇" in translator(["The dog."])[0]
    assert "⁇" not in translation.translation
    assert set(translation.translation.split()) <= {"The", "dog"}


def test_a_run_without_attention_aligns_nothing(runs: Path, tmp_path: Path) -> None:
    translator = Translator.load(runs / "none")
    for options in (
        TranslationOptions(align=True),
        TranslationOptions(replace_unk=True),
    ):
        for on_error in ("raise", "return"):  # It is no fault of a line.
            chosen = replace(options, on_error=on_error)
            with pytest.raises(UserError, match=r"has no attention, so nothing"):
                translator.translate_batch(["A dog."], chosen)
    figure = tmp_path / "a.svg"
    _, errors = call("heatmap", runs / "none", "A dog.", "--output", figure)
    assert "has no attention" in errors
    assert not figure.exists()


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


def test_figures_of_other_formats_or_of_nothing_are_refused(
    runs: Path, tmp_path: Path
) -> None:
    weights = np.ones((1, 1), np.float32)
    with pytest.raises(UserError, match=r"must end in \.svg, \.png, \.pdf"):
        plot_attention(_alignment(("a",), ("b",), weights), tmp_path / "a.gif")
    with pytest.raises(UserError, match="there are no words to align"):
        plot_attention(Alignment(("a",), (), ()), tmp_path / "a.svg")
    _, errors = call("heatmap", runs / "one", " ", "--output", tmp_path / "a.svg")
    assert "the sentence is blank" in errors
