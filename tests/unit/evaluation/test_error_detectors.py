"""Detected errors and warnings, on lines made for them."""

from __future__ import annotations

import pytest

from seq2seq.evaluation.error_detectors import (
    RULES,
    comparability_warnings,
    detect_errors,
    has_repetition,
)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "source", "kinds"),
    [
        ("Er geht nach Hause.", "Er geht heim.", "He goes home.", []),
        ("  ", "Er geht.", "He goes.", ["empty"]),
        ("Er geht geht.", "Er geht.", "He goes.", ["repeated"]),
        ("in der Stadt in der Stadt.", "in der Stadt.", "in town.", ["repeated"]),
        ("sehr sehr gut.", "sehr sehr gut.", "very very good.", []),
        ("He goes home now.", "Er geht jetzt heim.", "He goes home now.", ["copied"]),
        ("Berlin, Paris, London.", "Berlin, Paris, London.", "Berlin, Paris.", []),
        ("Er geht", "Er geht.", "He goes.", ["cut off"]),
        ("Er geht", "Er geht", "He goes", []),
        ("Er " + " ".join(map(str, range(9))) + ".", "Er.", "He.", ["over-long"]),
        ("Er.", "Er geht heute sehr früh nach Hause zurück.", "He.", ["too short"]),
        ("Er ⁇.", "Er geht.", "He goes.", ["unknown"]),
    ],
)
def test_errors_are_detected_where_they_are(
    hypothesis: str, reference: str, source: str, kinds: list[str]
) -> None:
    errors = detect_errors([hypothesis], [[reference]], [source])
    assert list(errors) == list(RULES)
    assert [kind for kind, numbers in errors.items() if numbers == [1]] == kinds


def test_a_second_reference_excuses_what_it_has() -> None:
    references = [["sehr gut."], ["sehr sehr gut."]]
    assert detect_errors(["sehr sehr gut."], references, [])["repeated"] == []


def test_dots_in_a_row_are_no_repetition() -> None:
    assert not has_repetition([".", ".", "."])
    assert has_repetition(["a", "b", "c", "a", "b", "c"])


def test_text_that_was_not_written_so_is_noticed() -> None:
    natural = [f"Der Hund Nummer {number} schläft." for number in range(30)]
    assert comparability_warnings("x", natural) == []
    assert (
        "look tokenised"
        in comparability_warnings("x", [line[:-1] + " ." for line in natural])[0]
    )
    assert (
        "look lower-cased"
        in comparability_warnings("x", [line.lower() for line in natural])[0]
    )
    assert (
        "subword"
        in comparability_warnings("x", ["▁Der ▁Hund Nr " + line for line in natural])[0]
    )
    assert comparability_warnings("x", ["我们在北京。"] * 30) == []
