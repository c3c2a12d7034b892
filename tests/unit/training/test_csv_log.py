"""Metrics tables survive damage and resuming."""

from __future__ import annotations

from pathlib import Path

from seq2seq.training.callbacks.csv_log import CSVLog


def test_rows_that_are_not_whole_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,loss\n1,2.5\n\xff\xfe,3\n2\n3,1,7\n4,1.5\n12,1\n")
    table = CSVLog(path, ["step", "loss"])
    table.truncate_after(5)
    assert path.read_text().split() == ["step,loss", "1,2.5", "4,1.5"]
    table.append({"step": 4, "loss": 1.25})  # The same step once more.
    assert path.read_text().split() == ["step,loss", "1,2.5", "4,1.25"]
