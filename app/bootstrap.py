"""The first start: what a service needs to be used at all, made once, its proofs told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.access import OPERATOR, Access, Principal, Role
from app.identity.tokens import NewToken, Tokens
from app.identity.users import Users, one_time_password
from app.resources import Resources
from app.workspaces.service import NewWorkspace, Workspaces, list_names

FIRST_OWNER: Final = "owner"
FIRST_WORKSPACE: Final = "main"


@dataclass(frozen=True, slots=True)
class FirstProofs:
    """What was made for the first start and can't be shown again; None for what was there already."""

    password: str | None = None
    platform_token: str | None = None

    def __repr__(self) -> str:
        return "FirstProofs(hidden)"


def set_up(resources: Resources) -> FirstProofs:
    """Make the first owner with a workspace, and the first platform token, each where there is none.

    Raises:
        VaultUnavailable, RecordUnavailable
    """
    return FirstProofs(_first_owner(resources), _first_platform_token(resources))


def _first_owner(resources: Resources) -> str | None:
    if list_names(sessions=resources.sessions):
        return None
    Workspaces(resources).create(
        NewWorkspace(FIRST_WORKSPACE, "Main", owner=FIRST_OWNER), principal=Principal(OPERATOR)
    )
    password = one_time_password()
    Users(resources.sessions, resources.clock).create(FIRST_OWNER, password, must_change=True)
    return password


def _first_platform_token(resources: Resources) -> str | None:
    tokens = Tokens(resources.sessions, resources.clock)
    if any(token.role is Role.PLATFORM for token in tokens.list_all()):
        return None
    new = NewToken(Role.PLATFORM, "first start")
    return tokens.issue(new, access=Access(OPERATOR, None, Role.PLATFORM)).bearer
