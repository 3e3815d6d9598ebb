"""Plain variables over the API, and the list that they share with secrets."""

from __future__ import annotations

import pytest

from tests.support.actors import Workspace
from tests.support.service import Service, problem


def test_an_editor_makes_reads_changes_and_deletes_one(service: Service, workspace: Workspace) -> None:
    body = {"name": "REGION", "value": "eu-1", "description": "where"}
    made = service.ask("POST", f"{workspace.path}/variables", body, user="ed")
    assert made.status_code == 201
    assert made.headers["Location"] == f"/api/v1{workspace.path}/variables/REGION"
    assert made.json().items() >= {"kind": "plain", **body, "created_by": "ed"}.items()
    assert made.json()["permissions"] == {"edit": True, "delete": True}
    path = f"{workspace.path}/variables/REGION"
    changed = service.ask("PATCH", path, {"value": "eu-2"}, user="ed", headers={"If-Match": made.headers["ETag"]})
    assert (changed.json()["value"], changed.json()["description"]) == ("eu-2", "where")
    assert service.ask("GET", path).json()["value"] == "eu-2"
    assert service.ask("DELETE", path, user="ed").status_code == 204
    assert problem(service.ask("GET", path)) == (404, "not_found")


def test_a_change_needs_the_revision_that_was_read(service: Service, workspace: Workspace) -> None:
    path = f"{workspace.path}/variables/REGION"
    first = service.ask("POST", f"{workspace.path}/variables", {"name": "REGION", "value": "1"}).headers["ETag"]
    assert problem(service.ask("PATCH", path, {"value": "2"})) == (428, "precondition_required")
    assert service.ask("PATCH", path, {"value": "2"}, headers={"If-Match": first}).ok
    assert problem(service.ask("PATCH", path, {"value": "3"}, headers={"If-Match": first}))[0] == 412
    assert problem(service.ask("DELETE", path, headers={"If-Match": first}))[0] == 412
    fixed = service.ask("PATCH", path, {"name": "OTHER"}, headers={"If-Match": "*"})
    assert problem(fixed) == (422, "immutable")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "9X", "value": "x"}, "validation_failed"),
        ({"name": "X"}, "validation_failed"),
        ({"name": "X", "value": "a\x00b"}, "validation_failed"),
        ({"name": "X", "value": ["\x00"]}, "validation_failed"),
        ({"name": "X", "value": "é" * 40_000}, "too_long"),
        ({"name": "X", "value": "x", "visibility": "masked"}, "validation_failed"),
    ],
)
def test_what_is_no_variable_is_refused(
    service: Service, workspace: Workspace, body: dict[str, object], code: str
) -> None:
    assert problem(service.ask("POST", f"{workspace.path}/variables", body)) == (422, code)


def test_variables_and_secrets_share_their_names_whatever_the_case(service: Service, workspace: Workspace) -> None:
    secret = {"name": "Token", "value": "masked-value-1", "visibility": "masked"}
    assert service.ask("POST", f"{workspace.path}/secrets", secret).status_code == 201
    taken = service.ask("POST", f"{workspace.path}/variables", {"name": "TOKEN", "value": "x"})
    assert problem(taken) == (409, "name_taken")
    assert service.ask("POST", f"{workspace.path}/variables", {"name": "REGION", "value": "x"}).status_code == 201
    assert problem(service.ask("POST", f"{workspace.path}/secrets", secret | {"name": "region"})) == (409, "name_taken")
    assert problem(service.ask("GET", f"{workspace.path}/variables/Token")) == (404, "not_found")
    assert problem(service.ask("DELETE", f"{workspace.path}/variables/Token")) == (404, "not_found")


def test_the_list_has_both_with_their_kind_and_is_searched_narrowed_and_paged(
    service: Service, workspace: Workspace
) -> None:
    for name in ("beta", "Alpha", "gamma", "delta_50%"):
        service.ask(
            "POST", f"{workspace.path}/variables", {"name": name.rstrip("%"), "value": "x", "description": name}
        )
    secret = {"name": "CODE", "value": "masked-value-1", "visibility": "masked"}
    assert service.ask("POST", f"{workspace.path}/secrets", secret, keep=False).status_code == 201

    def names(query: str = "") -> list[str]:
        return [each["name"] for each in service.ask("GET", f"{workspace.path}/variables{query}").json()["items"]]

    assert names() == ["Alpha", "beta", "CODE", "delta_50", "gamma"]
    assert names("?q=50%25") == ["delta_50"]
    assert names("?q=ALPH") == ["Alpha"]
    assert names("?kind=secret") == ["CODE"]
    items = service.ask("GET", f"{workspace.path}/variables").json()["items"]
    assert [each["kind"] for each in items] == ["plain", "plain", "secret", "plain", "plain"]
    assert (items[2]["value"], items[2]["value_hidden"]) == (None, True)
    seen, cursor = [], ""
    while True:
        page = service.ask("GET", f"{workspace.path}/variables?limit=2{cursor}").json()
        seen += [each["name"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == names()
    assert problem(service.ask("GET", f"{workspace.path}/variables?kind=other"))[0] == 422
    assert problem(service.ask("GET", f"{workspace.path}/variables?cursor=abc"))[0] == 422


def test_the_record_tells_of_each_but_never_the_value(service: Service, workspace: Workspace) -> None:
    service.ask("POST", f"{workspace.path}/variables", {"name": "REGION", "value": "a-telling-value"})
    service.ask(
        "PATCH", f"{workspace.path}/variables/REGION", {"value": "another-telling-one"}, headers={"If-Match": "*"}
    )
    service.ask("DELETE", f"{workspace.path}/variables/REGION")
    record = service.ask("GET", f"{workspace.path}/audit")
    told = [(each["action"], each["outcome"]) for each in record.json()["items"][:3]]
    assert told == [("variable.delete", "done"), ("variable.update", "done"), ("variable.create", "done")]
    assert "telling" not in record.text


def test_a_runtime_token_sees_none_and_a_stranger_no_workspace(service: Service, workspace: Workspace) -> None:
    token = service.ask("POST", f"{workspace.path}/tokens", {"role": "runtime"}, keep=False).json()["token"]
    assert problem(service.ask("GET", f"{workspace.path}/variables", token=token)) == (403, "forbidden")
    assert problem(service.ask("GET", f"{workspace.path}/variables", user="stranger")) == (404, "not_found")
    assert (
        problem(service.ask("POST", f"{workspace.path}/variables", {"name": "X", "value": "x"}, token=token))[0] == 403
    )


# --- used by blocks ---------------------------------------------------------------------------------------------------


def save_block(service: Service, workspace: Workspace, name: str, **call: object) -> None:
    body = {"name": name, "call": {"url": "https://api.example.com/{{region}}"} | call}
    answer = service.ask("POST", f"{workspace.path}/blocks", body)
    assert answer.status_code == 201, answer.text


def test_a_variable_in_use_is_kept_until_no_block_uses_it_or_somebody_insists(
    service: Service, workspace: Workspace
) -> None:
    path = f"{workspace.path}/variables/region"
    made = service.ask("POST", f"{workspace.path}/variables", {"name": "region", "value": "eu"})
    assert made.json()["used_in"] == []
    for name in ("two", "one"):
        save_block(service, workspace, name)
    save_block(service, workspace, "its-own", variables={"region": "us"})
    save_block(service, workspace, "other-case", url="https://api.example.com/{{REGION}}")
    assert service.ask("GET", path).json()["used_in"] == ["one", "two"]
    assert service.ask("GET", f"{workspace.path}/variables").json()["items"][0]["used_in"] == ["one", "two"]
    refused = service.ask("DELETE", path)
    assert problem(refused) == (409, "in_use")
    assert refused.json()["blocks"] == ["one", "two"]
    assert problem(service.ask("DELETE", f"{path}?force=true")) == (422, "confirmation_required")
    assert problem(service.ask("DELETE", f"{path}?confirm=REGION")) == (422, "confirmation_required")
    assert problem(service.ask("DELETE", f"{path}?confirm=region")) == (409, "in_use")
    changed = {"call": {"url": "https://api.example.com/", "headers": [{"name": "X-A", "value": "{{region}}"}]}}
    for name, call in (("one", {"url": "https://api.example.com/"}), ("two", changed["call"])):
        answer = service.ask("PATCH", f"{workspace.path}/blocks/{name}", {"call": call}, headers={"If-Match": "*"})
        assert answer.ok, answer.text
    assert service.ask("DELETE", path).json()["blocks"] == ["two"]
    assert service.ask("DELETE", f"{path}?force=true&confirm=region").status_code == 204
    assert service.ask("DELETE", f"{workspace.path}/blocks/two?confirm=two").status_code == 204
    again = service.ask("POST", f"{workspace.path}/variables", {"name": "region", "value": "eu"})
    assert again.json()["used_in"] == []
    assert service.ask("DELETE", path).status_code == 204


def test_a_block_without_its_variable_has_a_problem_until_it_is_back(service: Service, workspace: Workspace) -> None:
    call = {"headers": [{"name": "X-A", "value": "{{region}} {{zone}}"}], "variables": {"zone": "a"}}
    save_block(service, workspace, "calls", **call)
    block = f"{workspace.path}/blocks/calls"
    told = {
        "field": "/call/url",
        "label": "url path",
        "code": "missing_variable",
        "detail": "The variable region is missing: it has no default, and the workspace has no variable region.",
    }
    assert service.ask("GET", block).json()["problems"] == [told]
    assert service.ask("GET", f"{workspace.path}/blocks").json()["items"][0]["problems"] == [told]
    assert problem(service.ask("POST", f"{block}/preview", {})) == (422, "missing_variable")
    made = service.ask("POST", f"{workspace.path}/variables", {"name": "region", "value": "eu"})
    assert made.json()["used_in"] == ["calls"]
    assert service.ask("GET", block).json()["problems"] == []
    deleted = service.ask("DELETE", f"{workspace.path}/variables/region?force=true&confirm=region")
    assert deleted.status_code == 204
    assert service.ask("GET", block).json()["problems"] == [told]
    secret = {"name": "region", "value": "masked-value-1", "visibility": "masked"}
    assert service.ask("POST", f"{workspace.path}/secrets", secret, keep=False).status_code == 201
    assert service.ask("GET", block).json()["problems"] == [told]  # {{region}} is no secret
    defaults = {"call": {"url": "https://api.example.com/{{region}}", "variables": {"region": "us"}}}
    assert service.ask("PATCH", block, defaults, headers={"If-Match": "*"}).json()["problems"] == []
