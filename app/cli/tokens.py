"""``strongroom token``: the operator's way in."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Final

import click

from app.access import OPERATOR, Access, Role
from app.audit.chain import rfc3339
from app.cli.runtime import as_json_option, open_database, print_rows, read_settings, short_text
from app.identity.tokens import NewToken, Token, Tokens
from app.kernel.clock import system_clock
from app.workspaces.service import require_workspace

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def token() -> None:
    """Make, list and revoke service tokens."""


def _span(_context: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise click.BadParameter("must be a number and one of s, m, h, d, w, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@token.command()
@click.option("--platform", is_flag=True, help="A token of the platform's back-end.")
@click.option("--workspace", metavar="WS", help="A token of this workspace.")
@click.option("--role", type=click.Choice(["runtime", "editor", "admin"]), help="What it is in the workspace.")
@click.option("--ad-hoc", is_flag=True, help="A runtime token that may also run ad-hoc calls.")
@click.option("--label", default="", callback=short_text, help="What it is for.")
@click.option("--expires", callback=_span, metavar="SPAN", help="When it ends, such as 30d or 12h (never).")
@as_json_option
def create(
    platform: bool,
    workspace: str | None,
    role: str | None,
    ad_hoc: bool,
    label: str,
    expires: timedelta | None,
    as_json: bool,
) -> None:
    """Make a token and print it, this once."""
    if platform == bool(workspace) or bool(workspace) != bool(role):
        raise click.UsageError("Give either --platform, or --workspace WS with --role.")
    if ad_hoc and role != "runtime":
        raise click.UsageError("--ad-hoc goes with --role runtime.")
    now = system_clock()
    new = NewToken(Role(role or "platform"), label, now + expires if expires else None, ad_hoc)
    with open_database(read_settings()) as sessions:
        if workspace:
            require_workspace(workspace, sessions=sessions)
        issued = Tokens(sessions, system_clock).issue(new, access=Access(OPERATOR, workspace, Role.PLATFORM))
    if as_json:
        click.echo(json.dumps({"id": issued.token.id, "token": issued.bearer} | _row(issued.token)))
    else:
        click.echo(issued.bearer)


@token.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List every token, without what proves it."""
    with open_database(read_settings()) as sessions:
        print_rows([_row(each) for each in Tokens(sessions, system_clock).list_all()], as_json=as_json)


@token.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Revoke a token, at once."""
    with open_database(read_settings()) as sessions:
        Tokens(sessions, system_clock).revoke_any(token_id)
    click.echo(f"{token_id} is revoked.")


def _row(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "role": token.role.value,
        "workspace": token.workspace,
        "label": token.label,
        "ad_hoc": token.ad_hoc,
        "created_at": rfc3339(token.created_at),
        "created_by": token.created_by,
        "expires_at": _moment(token.expires_at),
        "last_used_at": _moment(token.last_used_at),
        "revoked_at": _moment(token.revoked_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
