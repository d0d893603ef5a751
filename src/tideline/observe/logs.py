"""Structured logs: one event a line, JSON or for people; tokens and secrets never get here."""

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class _Lossy:
    """A stream that may lose what is written to it: that the log's disk is full must not stop a server."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()


def configure(level: LogLevel = "info", format: LogFormat = "text") -> None:
    """Write log events of at least ``level`` to standard error."""
    import structlog

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if format == "json":
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Lossy(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    # The libraries' own logs (HTTP access lines, handshakes) would repeat ours.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
