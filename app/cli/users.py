"""``strongroom user``."""

from __future__ import annotations

import sys

import click

from app.cli.runtime import open_database, read_settings
from app.identity.users import Users, one_time_password
from app.kernel.clock import system_clock


@click.group()
def user() -> None:
    """Look after the people who sign in to the pages."""


_FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@user.command()
@click.argument("user_id", metavar="ID")
@_FROM_STDIN
def create(user_id: str, password_stdin: bool) -> None:
    """Let a user sign in, a disabled one again; without --password-stdin a one-time password is made and printed."""
    password = _password(password_stdin)
    with open_database(read_settings()) as sessions:
        Users(sessions, system_clock).create(user_id, password, must_change=not password_stdin)
    _tell(user_id, password, password_stdin)


@user.command("reset-password")
@click.argument("user_id", metavar="ID")
@_FROM_STDIN
def reset_password(user_id: str, password_stdin: bool) -> None:
    """Set a new password, and sign the user out everywhere."""
    password = _password(password_stdin)
    with open_database(read_settings()) as sessions:
        Users(sessions, system_clock).reset_password(user_id, password, must_change=not password_stdin)
    _tell(user_id, password, password_stdin)


@user.command()
@click.argument("user_id", metavar="ID")
def disable(user_id: str) -> None:
    """Take a user's sign-in away, end their sessions, and revoke the tokens that they made, at once."""
    with open_database(read_settings()) as sessions:
        Users(sessions, system_clock).disable(user_id)
    click.echo(f"{user_id} can't sign in any more; their sessions and the tokens they made have ended.")


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else one_time_password()


def _tell(user_id: str, password: str, from_stdin: bool) -> None:
    if from_stdin:
        click.echo(f"{user_id} can sign in.")
    else:
        click.echo(f"{user_id} can sign in with the one-time password {password}")
