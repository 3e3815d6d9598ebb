"""The table of rights (design, section 2), written out once more by hand: a change of it is a change here."""

from __future__ import annotations

import pytest

from app.access import GRANTS, OPERATOR, Access, Actor, Permission, Principal, Role, allows, require
from app.kernel.errors import Forbidden

# Who may, from the owner down to the runtime token and the platform.
MAY: dict[Permission, str] = {
    Permission.WORKSPACE_CREATE: "platform",
    Permission.WORKSPACE_READ: "owner admin editor platform",
    Permission.WORKSPACE_UPDATE: "owner",
    Permission.WORKSPACE_DELETE: "owner",
    Permission.MEMBER_READ: "owner admin editor",
    Permission.MEMBER_MANAGE: "owner admin",
    Permission.MEMBER_MANAGE_OWNERS: "owner",
    Permission.VARIABLE_READ: "owner admin editor",
    Permission.VARIABLE_WRITE: "owner admin editor",
    Permission.SECRET_READ: "owner admin editor",
    Permission.SECRET_REVEAL: "owner admin editor",
    Permission.SECRET_WRITE: "owner admin",
    Permission.BLOCK_READ: "owner admin editor",
    Permission.BLOCK_WRITE: "owner admin editor",
    Permission.BLOCK_RUN: "owner admin editor runtime",
    Permission.CALL_AD_HOC: "owner admin editor",
    Permission.AUDIT_READ: "owner admin",
    Permission.TOKEN_MANAGE: "owner admin platform",
    Permission.PLATFORM_TOKEN_MANAGE: "platform",
}
ADA = Actor("user", "ada")


def test_every_permission_is_granted_as_written_here() -> None:
    assert {each: {role for role in Role if each in GRANTS[role]} for each in Permission} == {
        each: {Role(role) for role in roles.split()} for each, roles in MAY.items()
    }


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", list(Permission))
def test_what_is_not_granted_is_refused_and_named(role: Role, permission: Permission) -> None:
    access = Access(ADA, "acme", role)
    if permission in GRANTS[role]:
        require(access, permission)
        return
    assert not allows(access, permission)
    with pytest.raises(Forbidden, match=permission.value) as caught:
        require(access, permission)
    assert caught.value.extra == {"action": permission.value}


def test_a_runtime_token_calls_ad_hoc_only_where_it_was_made_so() -> None:
    for ad_hoc in (True, False):
        access = Access(Actor("token", "t"), "acme", Role.RUNTIME, ad_hoc=ad_hoc)
        assert allows(access, Permission.CALL_AD_HOC) is ad_hoc
        assert allows(access, Permission.BLOCK_RUN)


def test_whoever_has_no_role_may_nothing_whatever_the_token_says() -> None:
    assert Access(ADA, "acme", None, ad_hoc=True).permissions == frozenset()


def test_behind_a_deed_stands_the_user_acted_for() -> None:
    assert ADA.name == "ada"
    assert Actor("token", "t1", acting_for="ada").name == "ada"
    assert Actor("token", "t1").name == "t1"
    assert OPERATOR.name == "operator"


def test_memberships_count_for_users_and_for_who_is_acted_for() -> None:
    assert Principal(ADA).user == "ada"
    assert Principal(Actor("token", "t1", acting_for="ada"), Role.PLATFORM).user == "ada"
    assert Principal(Actor("token", "t1"), Role.PLATFORM).user is None
