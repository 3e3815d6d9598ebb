"""One token's requests are counted, and too many of them are refused for a while."""

from __future__ import annotations

from app.factory import create_app
from app.settings import Settings
from app.wiring import open_resources
from tests.support.service import Service


def test_a_token_that_asks_too_often_is_told_when_to_come_back_and_others_go_on(service: Service) -> None:
    settings = Settings.from_env({**service.environ, "STRONGROOM_RATE_LIMIT": "3/minute"})
    assert service.ask("POST", "/workspaces", {"name": "limited"}).status_code == 201
    token = service.ask("POST", "/workspaces/limited/tokens", {"role": "editor"}, keep=False).json()["token"]
    with open_resources(settings) as resources:
        client = create_app(settings, resources).test_client()
        editor, platform = ({"Authorization": f"Bearer {each}"} for each in (token, service.platform))
        answers = [client.get(path, headers=editor) for path in ("/api/v1/me", "/api/v1/workspaces") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429, 429, 429]
        refused = answers[-1]
        assert refused.content_type == "application/problem+json"
        assert refused.get_json()["code"] == "rate_limited"
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert client.get("/api/v1/me", headers=platform).status_code == 200
        assert client.get("/api/v1/me").status_code == 401
        assert client.get("/readyz").status_code == 200
