"""The first start: what a service needs to be used at all, made once, its proofs told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.access import OPERATOR, Access, Principal, Role
from app.identity.service import NewToken, create_user, issue_token, list_all_tokens, one_time_password
from app.resources import Resources
from app.workspaces.service import NewWorkspace, create_workspace, list_names

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
    create_workspace(
        NewWorkspace(FIRST_WORKSPACE, "Main", owner=FIRST_OWNER),
        principal=Principal(OPERATOR),
        request_id=None,
        sessions=resources.sessions,
        vault=resources.vault,
        clock=resources.clock,
    )
    password = one_time_password()
    create_user(FIRST_OWNER, password, must_change=True, sessions=resources.sessions, clock=resources.clock)
    return password


def _first_platform_token(resources: Resources) -> str | None:
    if any(token.role is Role.PLATFORM for token in list_all_tokens(sessions=resources.sessions)):
        return None
    access = Access(OPERATOR, None, Role.PLATFORM)
    new = NewToken(Role.PLATFORM, "first start")
    return issue_token(new, access=access, sessions=resources.sessions, clock=resources.clock).bearer
