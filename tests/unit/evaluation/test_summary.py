"""Formatting that all pages share."""

from __future__ import annotations

from seq2seq.evaluation.summary import (
    escape_control_chars,
    format_p_value,
    format_signed,
)


def test_what_steers_a_display_is_spelt() -> None:
    assert (
        escape_control_chars("a\u202eb\x1b\u200d\U000e0041")
        == "a⟨U+202E⟩b⟨U+001B⟩\u200d⟨U+E0041⟩"
    )
    assert format_signed(-1.234) == "−1.23"
    assert format_signed(-0.001) == "0.00"
    assert [format_p_value(p) for p in (0.0001, 0.05)] == ["< 0.001", "0.050"]
