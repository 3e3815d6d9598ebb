"""Renewing the token of an ``oauth2`` secret because somebody asks for it."""

from __future__ import annotations

from app.access import Access
from app.kernel.errors import NotForThisType
from app.resources import Resources
from app.variables.secrets.changes import ChangeEvent, advance
from app.variables.secrets.oauth2 import AccessTokens
from app.variables.secrets.queries import Secret, SecretQueries
from app.variables.secrets.references import unless_changed, usable
from app.variables.secrets.store import SecretStore, require_for, state_of


def renew(name: str, *, access: Access, resources: Resources) -> Secret:
    """Have a new token given, whatever the state of the one that there is; recorded as ``secret.renew``.

    Raises:
        Forbidden: The role may not.
        NotFound: There is no such secret.
        NotForThisType: It has no token.
        ReconnectRequired, TokenUnavailable: The service gave none.
        Conflict, BindingMismatch, VaultUnavailable: It can't be used now.
    """
    require_for(access, ChangeEvent.RENEW)
    row, address = SecretStore(resources).find(name, access=access)
    if row.type != "oauth2":
        raise NotForThisType(f"{name} is of the type {row.type}: it has no token to renew.")
    advance(state_of(row), ChangeEvent.RENEW, name=row.name)
    secret = usable(row, address)
    with unless_changed(secret, sessions=resources.sessions):
        AccessTokens(resources).renew(secret, access=access)
    return SecretQueries(resources).get(name, access=access)
