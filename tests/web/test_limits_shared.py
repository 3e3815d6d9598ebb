"""Limits are shared through a real Redis, and go on by each process's own count where it is away."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.factory import create_app
from app.settings import Settings
from app.wiring import open_resources
from tests.support.copies import redis_server
from tests.support.service import Service


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with redis_server(tmp_path) as running:
        yield running


def test_copies_of_the_service_count_together_and_alone_while_redis_is_away(
    service: Service, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, server = redis
    more = {"REDIS_URL": url, "STRONGROOM_RATE_LIMIT": "4/day", "STRONGROOM_SIGN_IN_LIMIT": "2/day"}
    settings = Settings.from_env({**service.environ, **more})
    headers = {"Authorization": f"Bearer {service.platform}"}

    def asked(client: FlaskClient) -> int:
        return client.get("/api/v1/me", headers=headers).status_code

    with ExitStack() as stack:
        one, other = (
            create_app(settings, stack.enter_context(open_resources(settings))).test_client() for _ in range(2)
        )
        assert [asked(each) for each in (one, other, one, other, one, other)] == [200] * 4 + [429] * 2
        assert [_signs_in(each) for each in (one, other, one)] == [401, 401, 429]
        server.terminate()
        server.wait(10)
        assert [asked(one) for _ in range(6)] == [200] * 4 + [429] * 2
        assert [asked(other) for _ in range(6)] == [200] * 4 + [429] * 2


def _signs_in(client: FlaskClient) -> int:
    """Try with a wrong password."""
    form = client.get("/sign-in").text
    (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    tried = {"csrf_token": token, "user": "nobody-of-this-name", "password": "a wrong password"}
    return client.post("/sign-in", data=tried).status_code
