"""Runs a server under a sampling profiler (`python -m bench.sampler OUT floor|product ARGUMENT …`).

A SIGPROF per millisecond of processor time (or per tick of the kernel, which may be 4 ms); its handler runs
in the main thread at the next bytecode, so the time of a C function counts for the Python function that
called it. Waiting (epoll, fsync) takes no processor time and is not seen. The server must end on SIGTERM; the
samples are written then.
"""

import importlib
import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

_INTERVAL = 0.001


class Sampler:
    """Counts by function: samples in itself, and samples in it or in what it called."""

    def __init__(self) -> None:
        self.own: Counter[str] = Counter()
        self.within: Counter[str] = Counter()
        self.samples = 0

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self.take)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)

    def take(self, number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            if "importlib" in code.co_filename:  # starting up is no cost of a message
                return
            stack.append(f"{'/'.join(Path(code.co_filename).parts[-2:])} {code.co_qualname}")
            frame = frame.f_back
        self.samples += 1
        if stack:
            self.own[stack[0]] += 1
            self.within.update(set(stack))

    def write(self, path: Path) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = {"samples": self.samples, "own": self.own, "within": self.within}
        path.write_text(json.dumps(found))


def main() -> None:
    path, server, sys.argv = Path(sys.argv[1]), sys.argv[2], sys.argv[2:]
    sampler = Sampler()
    sampler.start()
    try:
        if server == "floor":
            runpy.run_module("bench.floor", run_name="__main__")
        else:
            importlib.import_module("tideline.cli").main()
    finally:
        sampler.write(path)


if __name__ == "__main__":
    main()
