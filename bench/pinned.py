"""Becomes another program on one core, with room for many sockets (`python -m bench.pinned CORE PROGRAM …`).

Set before the program starts, so that all threads it makes later (RocksDB's too) stay on that core.
"""

import os
import resource
import sys


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
