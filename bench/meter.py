"""Reads what a process costs: processor time and memory, from /proc."""

import os
import resource
import time
from pathlib import Path

import msgspec

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, in seconds (to the nanosecond, unlike /proc/PID/stat)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # the thread ended meanwhile
            continue
    return total / 1e9


def own_cpu_seconds() -> float:
    """Processor time of this process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def busy_seconds() -> float:
    """Processor time that the whole machine spent busy, in seconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICK


class Memory(msgspec.Struct, frozen=True):
    """Memory of a process in KiB: resident, proportional, and its own alone."""

    rss: int
    pss: int
    uss: int


def memory(pid: int) -> Memory:
    """Read the memory of a process."""
    fields: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0])
    return Memory(fields["Rss"], fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"])


class Cost(msgspec.Struct, frozen=True):
    """Processor use over a window, in shares of one core."""

    seconds: float
    server: float
    generator: float
    others: float
    """What the rest of the machine used: a run beside a busy neighbour says little."""


class Meter:
    """Measures a window, from its creation to `stop`."""

    def __init__(self, server_pid: int) -> None:
        self._pid = server_pid
        self._before = self._read()

    def _read(self) -> tuple[float, float, float, float]:
        return time.perf_counter(), cpu_seconds(self._pid), own_cpu_seconds(), busy_seconds()

    def stop(self) -> Cost:
        """End the window."""
        seconds, server, generator, busy = (b - a for a, b in zip(self._before, self._read(), strict=True))
        others = max(0.0, busy - server - generator)
        return Cost(seconds, server / seconds, generator / seconds, others / seconds)
