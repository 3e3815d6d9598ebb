"""Secrets over JSON, beside plain variables: one name space, and one blueprint."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.views import MethodView

from app.access import Permission
from app.variables.imports import Import, Imports
from app.variables.plain_api import blueprint
from app.variables.schemas.imports import ImportBody, ImportedLines
from app.variables.schemas.secrets import (
    ConfirmQuery,
    DeletionQuery,
    RevealSchema,
    RollbackBody,
    SecretAccessList,
    SecretBody,
    SecretPage,
    SecretPatch,
    SecretSchema,
    SecretsQuery,
    UsageSchema,
    ValueBody,
    VersionPage,
    WrappingKeySchema,
)
from app.variables.secrets.access_log import access_log
from app.variables.secrets.changes import NEEDS, ChangeEvent
from app.variables.secrets.check import CHECK_CODES
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.queries import HIDE_AFTER_SECONDS, Secret, SecretQueries, wrapping_key
from app.variables.secrets.renewal import renew
from app.variables.secrets.service import Secrets
from app.variables.secrets.usage import usage_of
from app.variables.secrets.versions import SecretVersions
from app.web import context
from app.web.body import etag, revision_sent
from app.web.operations import BODY, described
from app.web.paging import PageQuery, page, position

_VALUE_CODES = ("too_short", "too_long", "too_guessable", "conflict", "vault_unavailable", *BODY)
_RULE_CODES = ("allowed_hosts_required", "allowed_hosts_too_wide")


def _answer(secret: Secret, status: int = 200) -> object:
    return secret, status, etag(secret.revision)


@blueprint.route("/workspaces/<ws>/secrets")
class SecretList(MethodView):
    """A workspace's secrets."""

    @described("List secrets", needs=NEEDS[ChangeEvent.READ], codes=("not_found", "validation_failed"))
    @blueprint.arguments(SecretsQuery, location="query")
    @blueprint.response(200, SecretPage)
    def get(self, query: dict[str, Any], ws: str) -> object:
        rows = SecretQueries(context.resources()).list(
            access=context.access(),
            limit=query["limit"] + 1,
            after=position(query["cursor"], "secrets", str),
            q=query["q"],
            unused=query["unused"],
        )
        return page(rows, query["limit"], "secrets", lambda secret: secret.name)

    @described(
        "Create a secret",
        needs=NEEDS[ChangeEvent.CREATE],
        codes=("not_found", "name_taken", "not_granted", *_RULE_CODES, *_VALUE_CODES),
    )
    @blueprint.arguments(SecretBody)
    @blueprint.response(201, SecretSchema)
    def post(self, new: NewSecret, ws: str) -> object:
        secret = Secrets(context.resources()).create(new, access=context.access())
        headers = {"Location": f"{request.path}/{secret.name}"} | etag(secret.revision)
        return secret, 201, headers


@blueprint.route("/workspaces/<ws>/secrets/import")
class SecretImport(MethodView):
    """Secrets out of a file."""

    @described("Import a .env file", needs=NEEDS[ChangeEvent.CREATE], codes=("not_found", *_RULE_CODES, *BODY))
    @blueprint.arguments(ImportBody)
    @blueprint.response(200, ImportedLines)
    def post(self, wanted: Import, ws: str) -> object:
        return {"items": Imports(context.resources()).run(wanted, access=context.access())}


@blueprint.route("/workspaces/<ws>/secrets/wrapping-key")
class WrappingKeyView(MethodView):
    """The key to wrap a secret's key with."""

    @described(
        "Get the key to wrap a secret's key with, so that only Vault can open it",
        needs=NEEDS[ChangeEvent.CREATE],
        codes=("not_found", "vault_unavailable"),
    )
    @blueprint.response(200, WrappingKeySchema)
    def get(self, ws: str) -> object:
        return wrapping_key(access=context.access(), vault=context.resources().vault)


@blueprint.route("/workspaces/<ws>/secrets/<name>")
class OneSecret(MethodView):
    """One secret."""

    @described("Show a secret: all but its value", needs=NEEDS[ChangeEvent.READ], codes=("not_found",))
    @blueprint.response(200, SecretSchema)
    def get(self, ws: str, name: str) -> object:
        return _answer(SecretQueries(context.resources()).get(name, access=context.access()))

    @described(
        "Change description, expiry, hosts or places",
        needs=NEEDS[ChangeEvent.DESCRIBE],
        codes=(
            "not_found",
            "immutable",
            "value_required",
            "not_granted",
            "not_for_this_type",
            "binding_mismatch",
            "precondition_failed",
            "precondition_required",
            *CHECK_CODES,
            *_RULE_CODES,
            *_VALUE_CODES,
        ),
    )
    @blueprint.arguments(SecretPatch)
    @blueprint.response(200, SecretSchema)
    def patch(self, changes: SecretChanges, ws: str, name: str) -> object:
        revision = revision_sent(required=True)
        secrets = Secrets(context.resources(), context.run_check())
        return _answer(secrets.update(name, changes, revision=revision, access=context.access()))

    @described(
        "Delete a secret with all its versions",
        needs=NEEDS[ChangeEvent.DELETE],
        codes=(
            "not_found",
            "conflict",
            "in_use",
            "confirmation_required",
            "precondition_failed",
            "validation_failed",
            "vault_unavailable",
        ),
    )
    @blueprint.arguments(DeletionQuery, location="query")
    @blueprint.response(204)
    def delete(self, query: dict[str, Any], ws: str, name: str) -> None:
        Secrets(context.resources()).delete(
            name,
            confirm=query["confirm"],
            force=query["force"],
            revision=revision_sent(),
            access=context.access(),
        )


@blueprint.route("/workspaces/<ws>/secrets/<name>/value")
class SecretsValue(MethodView):
    """A secret's value, on its way in."""

    @described(
        "Store a new value, as a new version",
        needs=NEEDS[ChangeEvent.SET_VALUE],
        codes=(
            "not_found",
            "binding_mismatch",
            "precondition_failed",
            "value_required",
            "not_for_this_type",
            *CHECK_CODES,
            *_VALUE_CODES,
        ),
    )
    @blueprint.arguments(ValueBody)
    @blueprint.response(200, SecretSchema)
    def put(self, body: dict[str, Any], ws: str, name: str) -> object:
        secrets = Secrets(context.resources(), context.run_check())
        secret = secrets.put_value(
            name, body["changes"], revision=revision_sent(), access=context.access(), check=body["check"]
        )
        return _answer(secret)


@blueprint.route("/workspaces/<ws>/secrets/<name>/reveal")
class Reveal(MethodView):
    """A brief look at a masked value."""

    @described(
        "Reveal a masked value; recorded",
        needs=NEEDS[ChangeEvent.REVEAL],
        keyed=False,
        codes=("not_found", "never_shown", "conflict", "binding_mismatch", "vault_unavailable"),
    )
    @blueprint.response(200, RevealSchema)
    def post(self, ws: str, name: str) -> object:
        value = SecretQueries(context.resources()).reveal(name, access=context.access())
        return {"value": value, "hide_after_seconds": HIDE_AFTER_SECONDS}


@blueprint.route("/workspaces/<ws>/secrets/<name>/renew")
class Renewal(MethodView):
    """A new token of an OAuth 2.0 secret."""

    @described(
        "Renew the token of an `oauth2` secret now",
        needs=NEEDS[ChangeEvent.RENEW],
        keyed=False,
        codes=(
            "not_found",
            "not_for_this_type",
            "unknown_secret",
            "conflict",
            "reconnect_required",
            "token_unavailable",
            "binding_mismatch",
            "vault_unavailable",
        ),
    )
    @blueprint.response(200, SecretSchema)
    def post(self, ws: str, name: str) -> object:
        return _answer(renew(name, access=context.access(), resources=context.resources()))


@blueprint.route("/workspaces/<ws>/secrets/<name>/usage")
class SecretsUsage(MethodView):
    """How a secret is used."""

    @described("Tell how a secret is used", needs=NEEDS[ChangeEvent.READ], codes=("not_found",))
    @blueprint.response(200, UsageSchema)
    def get(self, ws: str, name: str) -> object:
        return usage_of(name, access=context.access(), resources=context.resources())


@blueprint.route("/workspaces/<ws>/secrets/<name>/access")
class AccessLog(MethodView):
    """Who looked at a secret, and who used it."""

    @described("Tell who looked at a secret and who used it", needs=Permission.AUDIT_READ, codes=("not_found",))
    @blueprint.response(200, SecretAccessList)
    def get(self, ws: str, name: str) -> object:
        found = access_log(name, access=context.access(), resources=context.resources())
        return {"items": found, "next_cursor": None}


@blueprint.route("/workspaces/<ws>/secrets/<name>/versions")
class Versions(MethodView):
    """The versions of a secret."""

    @described(
        "List a secret's versions, newest first",
        needs=NEEDS[ChangeEvent.READ],
        codes=("not_found", "validation_failed", "vault_unavailable"),
    )
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, VersionPage)
    def get(self, query: dict[str, Any], ws: str, name: str) -> object:
        rows = SecretVersions(context.resources()).list(
            name,
            access=context.access(),
            limit=query["limit"] + 1,
            below=position(query["cursor"], "versions", int),
        )
        return page(rows, query["limit"], "versions", lambda version: version.version)


@blueprint.route("/workspaces/<ws>/secrets/<name>/versions/<int:number>")
class OneVersion(MethodView):
    """One version of a secret."""

    @described(
        "Destroy an older version's value for good",
        needs=NEEDS[ChangeEvent.DESTROY_VERSION],
        codes=(
            "not_found",
            "not_for_this_type",
            "conflict",
            "confirmation_required",
            "precondition_failed",
            "validation_failed",
            "vault_unavailable",
        ),
    )
    @blueprint.arguments(ConfirmQuery, location="query")
    @blueprint.response(204)
    def delete(self, query: dict[str, Any], ws: str, name: str, number: int) -> None:
        SecretVersions(context.resources()).destroy(
            name, number, confirm=query["confirm"], revision=revision_sent(), access=context.access()
        )


@blueprint.route("/workspaces/<ws>/secrets/<name>/rollback")
class Rollback(MethodView):
    """Going back to an older value, which nobody sees."""

    @described(
        "Make an older version's value the newest version",
        needs=NEEDS[ChangeEvent.ROLL_BACK],
        codes=(
            "not_found",
            "not_for_this_type",
            "conflict",
            "precondition_failed",
            "binding_mismatch",
            "vault_unavailable",
            *BODY,
        ),
    )
    @blueprint.arguments(RollbackBody)
    @blueprint.response(200, SecretSchema)
    def post(self, body: dict[str, int], ws: str, name: str) -> object:
        versions = SecretVersions(context.resources())
        secret = versions.roll_back(name, body["version"], revision=revision_sent(), access=context.access())
        return _answer(secret)
