"""Answers to new lines: which are computed together."""

from __future__ import annotations

from typing import Any

import pytest

from seq2seq.evaluation import answer


def test_batches_hold_every_line_once_and_few_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer, "MAX_POSITIONS", 12)
    sources: dict[int, Any] = {i: "x" * n for i, n in enumerate([3, 40, 1, 4, 5, 3, 0])}
    batches = list(answer._by_length(sources))
    assert sorted(i for batch in batches for i in batch) == list(sources)
    sizes = [max(len(sources[i]) for i in batch) * len(batch) for batch in batches]
    assert sizes == [12, 10, 40]
    assert list(answer._by_length({})) == []
