"""Counts and histograms of a server, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SEGMENTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    """A histogram with fixed upper bounds.

    Args:
        name: Name of the metric.
        help_text: What is measured, with its unit.
        bounds: Upper bounds of the buckets, inclusive, ascending.
    """

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]) -> None:
        self.name, self.help_text, self.bounds = name, help_text, bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self) -> list[str]:
        """Return the lines of the text format."""
        lines = [
            f"# HELP {self.name} {self.help_text}",
            f"# TYPE {self.name} histogram",
        ]
        count = 0
        for bound, more in zip([*self.bounds, "+Inf"], self.counts, strict=True):
            count += more
            lines.append(f'{self.name}_bucket{{le="{bound}"}} {count}')
        return [*lines, f"{self.name}_sum {self.total:g}", f"{self.name}_count {count}"]


class Metrics:
    """What a server counts; it holds no text."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = Histogram(
            "seq2seq_request_seconds", "Seconds until an answer is sent.", SECONDS
        )
        self.batches = Histogram(
            "seq2seq_batch_segments", "Segments searched together.", SEGMENTS
        )

    def render(self, *, waiting_tokens: int) -> str:
        """Return all metrics.

        Args:
            waiting_tokens: Estimated tokens that wait for the engine.
        """
        name = "seq2seq_requests_total"
        lines = [
            f"# HELP {name} Answers by route and status.",
            f"# TYPE {name} counter",
        ]
        lines += [
            f'{name}{{route="{route}",status="{status}"}} {count}'
            for (route, status), count in sorted(self.requests.items())
        ]
        lines += self.seconds.lines() + self.batches.lines()
        name = "seq2seq_waiting_tokens"
        lines += [f"# HELP {name} Estimated tokens that wait.", f"# TYPE {name} gauge"]
        return "\n".join([*lines, f"{name} {waiting_tokens}", ""])
