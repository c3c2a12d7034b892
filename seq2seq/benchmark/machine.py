"""What a process costs, and who else uses the machine. Knows the system alone."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IMPORTED = time.time()


def process_uptime() -> float:
    """Tell how long this process has run; where the system hides it, since import."""
    try:
        # The fields after the name in parentheses, which may hold blanks itself.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").split(")")[-1]
        ticks = float(fields.split()[19])
        uptime = Path("/proc/uptime").read_text(encoding="utf-8").split()[0]
        return float(uptime) - ticks / os.sysconf("SC_CLK_TCK")
    except OSError:
        return time.time() - IMPORTED


def system_cpu_seconds() -> float | None:
    """Tell the CPU seconds that all of the machine has spent, stolen ones included."""
    try:
        line = Path("/proc/stat").read_text(encoding="utf-8").split("\n")[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, softirq, stolen = map(
        int, line.split()[1:9]
    )
    ticks = user + nice + system + irq + softirq + stolen
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class ResourceMeter:
    """From its making on: time, and what others use of the processors meanwhile."""

    started: float = field(default_factory=time.perf_counter)
    busy: float | None = field(default_factory=system_cpu_seconds)
    own: float = field(default_factory=time.process_time)

    def seconds(self) -> float:
        """Tell the time since the beginning."""
        return time.perf_counter() - self.started

    def cost(self) -> dict[str, Any]:
        """Tell wall time, memory and others' share, by the names of the peers' kit."""
        wall = self.seconds()
        found: dict[str, Any] = {"wall_seconds": wall}
        if sys.platform != "win32":
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
            found["peak_rss_mib"] = peak // unit
        now = system_cpu_seconds()
        if now is not None and self.busy is not None:
            others = now - self.busy - (time.process_time() - self.own)
            found["others_cpu_share"] = max(0.0, others / wall / (os.cpu_count() or 1))
        return found


def round_significant(line: dict[str, Any]) -> dict[str, Any]:
    """Keep four digits of every fraction; more would be noise."""
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in line.items()
    }
