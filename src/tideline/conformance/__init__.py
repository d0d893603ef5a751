"""A conformance kit: the promises of the protocol, held against any running server from outside.

For whoever writes another server, or puts a proxy in front of one. It knows nothing of this server's inside: it
imports only the protocol, and speaks WebSocket and HTTP by itself.
"""

from .kit import Kit, Promise, Result, Unfit
from .promises import PROMISES
from .run import run

__all__ = ["PROMISES", "Kit", "Promise", "Result", "Unfit", "run"]
