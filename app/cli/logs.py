"""Logs as JSON lines on standard error, whoever writes them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog


def log_as_json() -> None:
    """Send every log line of this process to standard error as JSON.

    Of the libraries' own lines only the level and the logger's name are told: their texts may quote what was handled.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        # A line and its end in one write, so that the lines of several processes never mix.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(with_message=False))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _line(fields: object, **_options: object) -> str:
    return orjson.dumps(fields, default=repr).decode()


class JsonLines(logging.Formatter):
    """Writes a record of the standard library's logging as one JSON line."""

    def __init__(self, *_arguments: object, with_message: bool = True, **_more: object) -> None:
        super().__init__()
        self._with_message = with_message

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        line = {
            "event": record.getMessage() if self._with_message else "library",
            "logger": record.name.strip("_"),
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(line)


def server_log() -> dict[str, Any]:
    """Say how granian logs: its own words, which are about processes and sockets."""
    handler = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "app.cli.logs.JsonLines"}},
        "handlers": {"console": handler},
        "loggers": {"_granian": {"handlers": ["console"], "level": "INFO", "propagate": False}},
    }
