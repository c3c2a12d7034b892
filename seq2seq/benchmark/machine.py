"""Resource usage of this process, and CPU usage by other processes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2seq.utils.memory import peak_rss_mib

IMPORTED = time.time()


def process_uptime() -> float:
    """Return the seconds since this process started, or since import if unknown."""
    try:
        # The fields after the name in parentheses, which may contain blanks.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").split(")")[-1]
        ticks = float(fields.split()[19])
        uptime = Path("/proc/uptime").read_text(encoding="utf-8").split()[0]
        return float(uptime) - ticks / os.sysconf("SC_CLK_TCK")
    except OSError:
        return time.time() - IMPORTED


def system_cpu_seconds() -> float | None:
    """Return the CPU seconds of all processes since boot, stolen time included."""
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
    """Measures wall time and other processes' CPU usage since its construction."""

    start_time: float = field(default_factory=time.perf_counter)
    start_system_cpu: float | None = field(default_factory=system_cpu_seconds)
    start_process_cpu: float = field(default_factory=time.process_time)

    def seconds(self) -> float:
        """Return the wall time in seconds."""
        return time.perf_counter() - self.start_time

    def cost(self) -> dict[str, Any]:
        """Return wall time, peak memory and others' CPU share.

        The keys are those of the kit that measures other toolkits.
        """
        wall = self.seconds()
        usage: dict[str, Any] = {"wall_seconds": wall}
        if (peak := peak_rss_mib()) is not None:
            usage["peak_rss_mib"] = peak
        system_cpu = system_cpu_seconds()
        if system_cpu is not None and self.start_system_cpu is not None:
            process_cpu = time.process_time() - self.start_process_cpu
            others_cpu = system_cpu - self.start_system_cpu - process_cpu
            capacity = wall * (os.cpu_count() or 1)
            usage["others_cpu_share"] = max(0.0, others_cpu / capacity)
        return usage


def round_significant(line: dict[str, Any]) -> dict[str, Any]:
    """Round floats to four significant digits; more would be noise."""
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in line.items()
    }
