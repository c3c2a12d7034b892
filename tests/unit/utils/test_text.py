"""Blank text: nothing visible, however many characters."""

from __future__ import annotations

import sys

import pytest

from seq2seq.utils.text import fold, is_blank, with_noun


@pytest.mark.parametrize(
    "text",
    [
        *("\U000e0100", "\u180b", "\u17b4\u17b5", "\u2065", "\U0001d159", "\ufff0"),
        *("\U000e0fff", "\u180f"),
        "",
        " \t\u3000\u2028",
        "\u200b",
        "\ufeff",
        "\u00ad",
        "\u2800\u3164 \x07\u200d",
    ],
)
def test_text_without_a_visible_character_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text",
    [
        "\u200b.",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, joined by ZWNJ.
        "\u0915\u094d\u200d\u0937",  # Hindi, joined by ZWJ.
        "\ue000",  # Of private use: a font may show it.
        "\U0001f468\u200d\U0001f469",
    ],
)
def test_a_visible_character_is_text_whatever_joins_it(text: str) -> None:
    assert not is_blank(text)


def test_every_character_folds_like_its_upper_and_lower_case() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    unlike = [c for c in every if not fold(c) == fold(c.upper()) == fold(c.lower())]
    assert unlike == []
    assert fold("\u0130stanbul \u0131") == fold("istanbul I")


def test_a_noun_is_in_the_plural_unless_there_is_one() -> None:
    assert [with_noun(number, "line") for number in (0, 1, 2000)] == [
        "0 lines",
        "1 line",
        "2,000 lines",
    ]
