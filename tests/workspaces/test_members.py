"""Members: a lost race tells who was faster, and a change alone adds nobody."""

from __future__ import annotations

import uuid

from tests.support.service import Service, problem


def test_a_lost_race_tells_who_changed_the_member_and_when(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    assert service.ask("POST", "/workspaces", {"name": name}).status_code == 201
    member = f"/workspaces/{name}/members/ed"
    tag = service.ask("PUT", member, {"role": "editor"}).headers["ETag"]
    service.ask("PUT", f"/workspaces/{name}/members/bea", {"role": "owner"})
    assert service.ask("PUT", member, {"role": "admin"}, user="bea").status_code == 200
    for method, path, body in (("PUT", member, {"role": "editor"}), ("DELETE", f"{member}?confirm=ed", None)):
        answer = service.ask(method, path, body, headers={"If-Match": tag})
        assert problem(answer) == (412, "precondition_failed")
        assert answer.json()["changed_by"] == "bea"
        assert answer.json()["changed_at"].endswith("Z")


def test_a_change_of_whoever_is_there_adds_nobody(service: Service) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    service.ask("POST", "/workspaces", {"name": name})
    member, there = f"/workspaces/{name}/members/ed", {"If-Match": "*"}
    assert problem(service.ask("PUT", member, {"role": "editor"}, headers=there)) == (412, "precondition_failed")
    service.ask("PUT", member, {"role": "editor"})
    assert service.ask("PUT", member, {"role": "admin"}, headers=there).status_code == 200
