"""Counts and histograms in Prometheus' text format (version 0.0.4); no text in them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """A histogram with fixed inclusive upper bounds, ascending."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> list[str]:
        """Return its samples."""
        lines, count = [], 0
        for bound, more in zip([*self.bounds, "+Inf"], self.counts, strict=True):
            count += more
            lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        return [*lines, f"{name}_sum {self.total:g}", f"{name}_count {count}"]


class Metrics:
    """What a server counts."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = Histogram(SECONDS)
        self.batches = Histogram([2**exponent for exponent in range(8)])

    def render(self, *, waiting_tokens: int) -> str:
        """Return all metrics, with the estimated tokens that wait for the engine."""
        name = "seq2seq_requests_total"
        requests = [
            f'{name}{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self.requests.items())
        ]
        seconds, batches = "seq2seq_request_seconds", "seq2seq_batch_segments"
        waiting = "seq2seq_waiting_tokens"
        lines = []
        for metric, kind, meaning, samples in (
            (name, "counter", "Answers by route and status.", requests),
            (seconds, "histogram", "Time to an answer.", self.seconds.lines(seconds)),
            (batches, "histogram", "Sizes of batches.", self.batches.lines(batches)),
            (waiting, "gauge", "Tokens that wait.", [f"{waiting} {waiting_tokens}"]),
        ):
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}", *samples]
        return "\n".join([*lines, ""])
