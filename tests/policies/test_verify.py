"""The whole table, tried on a real Vault with real tokens; and Vaults where somebody had a hand in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest

from app.kernel.errors import VaultRefused
from app.policies.plan import login_role
from app.policies.probes import ANY_FOLDER, DOORS, LOGIN_ROLES, OTHER, OURS, readable
from app.policies.service import apply
from app.policies.table import TABLE, WORKSPACE
from app.policies.verify import failures, verify
from app.vault.options import Mounts
from tests.policies.conftest import Team, command

_LIFE = 6


@pytest.fixture
def applied(team: Team) -> Team:
    with team.operator() as operator:
        apply(operator, team.setup)
    return team


def held(team: Team) -> list[str]:
    """Return whatever lies in the two engines, but for the record's key."""
    left = []
    for workspace in (OURS, OTHER):
        for visibility in ("masked", "restricted"):
            path = f"strongroom/metadata/{workspace}/{visibility}?list=true"
            answer = team.bao.ask("GET", path, namespace=team.namespace)
            left += answer.json().get("data", {}).get("keys", [])
    keys = team.ask("GET", "strongroom-transit/keys?list=true").json()["data"]["keys"]
    return left + [key for key in keys if key not in ("_record", "import/")]  # the latter is Vault's own wrapping key


def grow(team: Team, role: str, text: str) -> None:
    """Add lines to a policy by hand."""
    path = f"sys/policies/acl/strongroom-{role}"
    policy = team.ask("GET", path).json()["data"]["policy"]
    accessor = team.ask("GET", "sys/auth").json()["data"]["strongroom/"]["accessor"]
    team.ask("PUT", path, {"policy": policy + text.replace("@@ACCESSOR@@", accessor)})


def untried(door: str) -> frozenset[str]:
    """Return the verbs that can't be tried at a door: Vault calls every POST to a key "update", for one."""
    if door == ANY_FOLDER or "*" in door:  # tried by what they cover
        return frozenset({"create", "read", "update", "delete"})
    if door.startswith("@@TRANSIT@@/keys/"):
        return frozenset({"create"})
    return frozenset({"update"}) if "/_record/" in door else frozenset()


def assert_signs_and_no_more(tried: Mapping[tuple[str, str, str], str]) -> None:
    for role in LOGIN_ROLES:
        for door in ("hmac/<ws>.sign.*", "sign/<ws>.sign.*"):
            assert tried[role, f"<transit>/{door}", "update"] == ("allowed" if role == "sign" else "refused")
        for what in ("import exportable", "config allow_plaintext_backup", "made exportable", "backed up"):
            verb = "read" if what == "backed up" else "update"
            assert tried[role, f"<transit>/keys/<ws>.sign.* {what}", verb] == "refused"
        assert tried[role, "<transit>/sign/<ws>.sign.* of a digest", "update"] == "refused"
        assert tried[role, "a third folder", "read"] == ("allowed" if role == "runtime" else "refused")
        assert tried[role, "<kv>/data/<ws>/tokens/+", "read"] == (
            "allowed" if role in ("runtime", "renew") else "refused"
        )


def test_every_role_at_every_door_by_every_verb_and_after_its_token_s_end(applied: Team) -> None:
    for role in LOGIN_ROLES:  # so that the end of a token is seen within seconds and not after five minutes
        applied.ask("POST", f"auth/strongroom/role/{role}", {**login_role(role), "token_ttl": _LIFE})
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    with applied.operator() as operator:
        cells = verify(operator, Mounts(), applied.key, clock=time.time, wait=wait)
    assert failures(cells) == ()
    assert waited == [_LIFE + 1]
    tried = {(cell.role, cell.door, cell.verb): cell.found for cell in cells}
    for role in LOGIN_ROLES:
        for other in LOGIN_ROLES:
            for door in set(TABLE[other]) & set(DOORS):
                assert (role, readable(door), "read") in tried
        for door, verbs in TABLE[role].items():
            for verb in verbs - untried(door):
                assert tried[role, readable(door), verb] == "allowed", (role, door, verb)
        assert tried[role, "with a token before its end", "read"] == "allowed"
        assert tried[role, "with a token after its end", "read"] == "refused"
        assert tried[role, "with an expired JWT", "log in"] == "refused"
    for role in ("owner", "admin", "editor"):
        assert tried[role, "<kv>/data/<ws>/restricted/+", "read"] == "refused"
        assert tried[role, "<transit>/decrypt/<ws>.restricted", "update"] == "refused"
    assert_signs_and_no_more(tried)
    assert held(applied) == []


@pytest.mark.slow
def test_a_hand_edit_is_a_surprise_that_names_its_cell(applied: Team) -> None:
    restricted = f'path "strongroom/data/{WORKSPACE}/restricted/+" {{ capabilities = ["create", "update", "read"] }}\n'
    grow(applied, "admin", restricted)
    grow(applied, "mover", 'path "strongroom/data/+/masked/owner" { capabilities = ["read"] }\n')
    grow(applied, "editor", f'path "strongroom-transit/decrypt/{WORKSPACE}.masked" {{ capabilities = ["deny"] }}\n')
    longer = {**login_role("runtime"), "token_ttl": 3600, "token_max_ttl": 3600}
    applied.ask("POST", "auth/strongroom/role/runtime", longer)
    done = command(applied, "vault", "verify")
    assert done.returncode == 1
    assert {line.rpartition(" was ")[0] for line in done.stderr.splitlines()} == {
        "admin: <kv>/data/<ws>/restricted/+: read",
        "admin: an older version of a restricted value: read",
        "mover: another workspace's masked value: read",
        "editor: <transit>/decrypt/<ws>.masked: update",
        "runtime: a token for more than five minutes: get",
    }
    assert "yes (!)" in done.stdout
    assert held(applied) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "names", "cause"),
    [
        ("allow_wildcards_in_identity_templates", ("*", "+", f"{OTHER[:-1]}*"), "a + that a template renders"),
        ("allow_slashes_in_identity_templates", (f"{OTHER}/../{OTHER}",), "deny_slash_in_templated_paths"),
    ],
)
def test_what_an_older_server_does_is_red_with_its_cause_and_the_versions(
    applied: Team, switch: str, names: tuple[str, ...], cause: str
) -> None:
    """OpenBao's own switches, beside a policy's text, have it render as older servers do."""
    path = "sys/policies/acl/strongroom-mover"
    text = applied.ask("GET", path).json()["data"]["policy"]
    applied.ask("PUT", path, {"policy": text, switch: True})
    done = command(applied, "vault", "verify", "--json")
    red = {cell["door"]: cell for cell in json.loads(done.stdout)["cells"] if not cell["ok"]}
    assert set(red) <= {f"a value, for a workspace called {name}" for name in names}
    if "wildcards" in switch:
        assert f"a value, for a workspace called {names[1]}" in red
    for cell in red.values():
        assert cause in cell["cause"]
    for line in done.stderr.splitlines():
        assert cause in line
        assert "deny_slash" in line or ("2.0.4" in line and "2.6.0" in line)
    planned = command(applied, "vault", "plan")
    assert (planned.returncode, f"-# kept beside the text: {switch} = True" in planned.stdout) == (2, True)


@pytest.mark.slow
def test_what_was_made_is_removed_after_a_failure_and_after_a_run_that_was_killed(applied: Team) -> None:
    applied.ask("POST", f"strongroom/data/{OURS}/masked/left", {"data": {"value": "x"}, "options": {"cas": 0}})
    applied.ask("POST", f"strongroom-transit/keys/{OTHER}.restricted", {"type": "aes256-gcm96"})
    applied.ask("DELETE", "auth/strongroom/role/admin")
    with applied.operator() as operator, pytest.raises(VaultRefused, match="role admin"):
        verify(operator, Mounts(), applied.key, clock=time.time)
    assert held(applied) == []


def test_a_role_that_may_do_too_little_stops_it_with_the_path(applied: Team) -> None:
    applied.ask("PUT", "sys/policies/acl/strongroom-owner", {"policy": "# nothing\n"})
    with applied.operator() as operator, pytest.raises(VaultRefused, match=f"owner got a 403 at .*{OURS}"):
        verify(operator, Mounts(), applied.key, clock=time.time)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_five_minutes_every_token_has_ended(applied: Team) -> None:
    done = command(applied, "vault", "verify", "--wait", "--json", seconds=580)
    cells = json.loads(done.stdout)["cells"]
    assert (done.returncode, [cell for cell in cells if not cell["ok"]]) == (0, [])
    ended = {cell["role"] for cell in cells if cell["door"] == "with a token after its end"}
    assert ended == set(LOGIN_ROLES)
