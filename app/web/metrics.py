"""``/metrics``, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from app import telemetry


def serve_metrics(app: Flask, unsigned: Callable[[], int]) -> None:
    """Answer with what was measured; ``unsigned`` counts the events that no checkpoint covers."""

    @app.get("/metrics")
    def metrics() -> Response:
        try:
            looked_up = [telemetry.Unsigned(unsigned())]
        except SQLAlchemyError:  # that the database is away shows in the other metrics
            looked_up = []
        return Response(telemetry.exposition(looked_up), content_type=CONTENT_TYPE_LATEST)
