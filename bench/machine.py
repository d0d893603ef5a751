"""What the figures were measured on."""

import importlib.metadata
import os
import platform
import time
from pathlib import Path
from statistics import median

_PACKAGES = ("picows", "uvloop", "msgspec", "rocksdict")


def describe(folder: Path) -> dict[str, str | int | float]:
    """Processor, kernel, versions, and how long the disk takes for a small synced write."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "fdatasync_median_us": round(synced_write(folder) * 1e6),
        "load_average": round(os.getloadavg()[0], 2),
    }


def synced_write(folder: Path, count: int = 200, size: int = 4096) -> float:
    """Median seconds of an appended write with fdatasync."""
    probe = folder / "tideline-bench-probe"
    took = []
    try:
        with probe.open("wb", buffering=0) as file:
            for _ in range(count):
                start = time.perf_counter()
                file.write(bytes(size))
                os.fdatasync(file.fileno())
                took.append(time.perf_counter() - start)
    finally:
        probe.unlink(missing_ok=True)
    return median(took)


def on_memory(folder: Path) -> bool:
    """Whether the folder lies on a file system without a disk, where fsync costs nothing."""
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if len(mount) >= len(best) and (folder.resolve().is_relative_to(mount)):
            best, kind = mount, found
    return kind in {"tmpfs", "ramfs"}
