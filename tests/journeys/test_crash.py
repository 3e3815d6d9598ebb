"""kill -9 of everything in the middle of creates: what was answered 201 is there, and nothing is half there."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.support.service import launch, running


@pytest.mark.slow
def test_a_kill_loses_no_answered_secret(tmp_path: Path, chance: random.Random) -> None:
    answered: dict[str, str] = {}
    enough = chance.randint(20, 120)
    with running(tmp_path) as service:
        service.ask("POST", "/workspaces", {"name": "acme"})

        def create(start: int) -> None:
            for number in range(start, start + 50):
                value = secrets.token_hex(8)
                body = {"name": f"S{number}", "value": value, "visibility": "masked"}
                try:
                    if service.ask("POST", "/workspaces/acme/secrets", body).status_code == 201:
                        answered[f"S{number}"] = value
                except requests.RequestException:
                    return

        writers = [threading.Thread(target=create, args=(start,)) for start in range(0, 200, 50)]
        for writer in writers:
            writer.start()
        while len(answered) < enough:
            assert any(writer.is_alive() for writer in writers)
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.02))
        service.kill()
        for writer in writers:
            writer.join()
        platform = service.platform
        again = launch(tmp_path, service.port)
    try:
        again.platform = platform
        listed = again.ask("GET", "/workspaces/acme/secrets?limit=200").json()["items"]
        assert {each["state"] for each in listed} == {"active"}
        assert answered.keys() <= {each["name"] for each in listed}
        for each in listed:
            shown = again.ask("POST", f"/workspaces/acme/secrets/{each['name']}/reveal")
            assert shown.status_code == 200, shown.text
            assert answered.get(each["name"], shown.json()["value"]) == shown.json()["value"]
        report = again.command("doctor", "--json")
        assert {each["state"] for each in json.loads(report.stdout)} == {"green"}, report.stdout
    finally:
        again.stop()
