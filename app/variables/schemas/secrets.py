"""Secrets and variables as JSON. A value comes in; only ``RevealSchema`` ever writes one out."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields, post_dump, post_load, validate, validates_schema

from app.kernel.secret import SecretValue
from app.kernel.unset import UNSET
from app.variables.listing import Entry, Kind
from app.variables.schemas.fields import (
    VARIANTS,
    AllowedRequestSchema,
    GivenFields,
    PartsSchema,
    parts_document,
    requests_field,
    take_credential,
    take_parts,
    texts_field,
)
from app.variables.schemas.plain import DESCRIPTION, NAME, VariableSchema
from app.variables.secrets.binding import Source
from app.variables.secrets.check import Check
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.queries import Expiry, Secret
from app.variables.secrets.types import SECRET_TYPES
from app.vault import VISIBILITIES
from app.web.body import FixedField, Input, Moment, Patch, PlainText, SecretText, StrictBoolean, StrictInteger
from app.web.paging import PageQuery


class SecretBody(GivenFields):
    """A new secret."""

    into = NewSecret

    name = fields.String(required=True, validate=NAME, metadata={"example": "ZENDESK_TOKEN"})
    value = SecretText(metadata={"description": "Of the type `value`.", "example": "zd-9f3b2c7e1a5d4860"})
    source = fields.Nested(
        lambda: SourceBody(),
        data_key="from",
        load_default=None,
        allow_none=True,
        metadata={"x-other-type": True, "description": "In the place of a value: where Vault's operators manage one."},
    )
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    description = PlainText(load_default="", validate=DESCRIPTION)
    allowed_hosts = texts_field(load_default=None, allow_none=True, metadata={"example": ["api.example.com"]})
    allowed_places = texts_field(load_default=None, allow_none=True, metadata={"example": ["header:Authorization"]})
    allowed_requests = requests_field(load_default=None)
    wide = StrictBoolean(
        load_default=False, metadata={"description": "Whether a restricted secret may have wildcards."}
    )
    expires_at = Moment(load_default=None, allow_none=True)
    type = fields.String(
        load_default="value",
        validate=validate.OneOf(SECRET_TYPES),
        metadata={
            "description": "All but `value` are restricted, and are given a key or credentials.",
            "x-variants": VARIANTS,
        },
    )

    @post_load
    def _build(self, data: dict[str, Any], **kwargs: object) -> object:
        credential, parts, source = take_credential(data), take_parts(data), data.pop("source")
        given = data.pop("value", None) if credential is UNSET else credential
        given = given if source is None else source
        return super()._build({**data, "value": given, "parts": parts}, **kwargs)

    @validates_schema
    def _require_value(self, data: dict[str, Any], **_kwargs: object) -> None:
        if data.get("source") is not None:
            self._require_source_alone(data)
        elif data.get("type") == "value" and "value" not in data:
            raise ValidationError({"value": ["Missing data for required field."]})
        elif data.get("type") != "value" and "value" in data:
            raise ValidationError({"value": [f"A secret of the type {data.get('type')} is given no value."]})

    @staticmethod
    def _require_source_alone(data: dict[str, Any]) -> None:
        if "value" in data:
            raise ValidationError({"from": ["Give a value, or where Vault has it, and not both."]})
        if data.get("type") != "value" or take_parts(dict(data)) or take_credential(dict(data)) is not UNSET:
            raise ValidationError({"from": ["A value that Vault already has is of the type value."]})
        if data.get("visibility") != "restricted":
            raise ValidationError({"visibility": ["A value that Vault already has is restricted."]})


class SourceBody(Input):
    """Where in Vault a value lies that its operators manage."""

    into = Source

    path = PlainText(required=True, validate=validate.Length(1, 512), metadata={"example": "secret/team-a/zendesk"})
    field = PlainText(required=True, validate=validate.Length(1, 256), metadata={"example": "token"})


class SecretPatch(GivenFields, Patch):
    """Changes of a secret."""

    into = SecretChanges

    description = PlainText(validate=DESCRIPTION)
    allowed_hosts = texts_field()
    allowed_places = texts_field()
    allowed_requests = requests_field()
    wide = StrictBoolean()
    expires_at = Moment(allow_none=True)
    check_block = fields.String(
        allow_none=True,
        validate=validate.Length(1, 63),
        metadata={"description": "The saved block that every new value is tried with."},
    )
    value = SecretText(metadata={"description": "Needed where a restricted secret is given wider rules."})
    name = FixedField()
    visibility = FixedField()
    type = FixedField()

    @post_load
    def _build(self, data: dict[str, Any], **kwargs: object) -> object:
        credential, parts = take_credential(data), take_parts(data)
        return super()._build({**data, "credential": credential, "parts": parts}, **kwargs)


class CheckBody(Input):
    """What a new value is tried with before it goes live."""

    into = Check

    block = fields.String(required=True, validate=validate.Length(1, 63), metadata={"example": "whoami"})
    statuses = fields.List(
        StrictInteger(validate=validate.Range(100, 599)), load_default=None, validate=validate.Length(1, 100)
    )


class _CheckField(fields.Nested):
    """A check, or ``false`` for none."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return False if value is False else super()._deserialize(value, *args, **kwargs)


class ValueBody(GivenFields):
    """A new value, or by the secret's type a new key or new credentials, and what makes it up from now on."""

    value = SecretText(metadata={"description": "Of the type `value`."})
    check = _CheckField(
        lambda: CheckBody(),
        load_default=None,
        metadata={
            "description": "A saved GET or HEAD block, run with it first; false: not even the secret's own.",
            "x-also": False,
        },
    )

    @post_load
    def _build(self, data: dict[str, Any], **_kwargs: object) -> object:
        credential, parts, value = take_credential(data), take_parts(data), data.get("value", UNSET)
        if credential is UNSET and value is UNSET and not parts:
            raise ValidationError({"value": ["Missing data for required field."]})
        return {"changes": SecretChanges(value=value, credential=credential, parts=parts), "check": data["check"]}


class WrappingKeySchema(Schema):
    """The key with which a secret's key is wrapped before it is given, so that only Vault can open it."""

    public_key = fields.String(required=True, metadata={"description": "An RSA key in PEM."})
    algorithm = fields.String(required=True, metadata={"example": "RSA-OAEP-256 + AES-256-KWP"})


class PermissionsSchema(Schema):
    """What this caller may do with the secret."""

    reveal = fields.Boolean(required=True)
    set_value = fields.Boolean(required=True)
    edit = fields.Boolean(required=True)
    delete = fields.Boolean(required=True)


class SourceSchema(Schema):
    """Where in Vault a value lies that its operators manage."""

    path = fields.String(required=True)
    field = fields.String(required=True)


class WarningSchema(Schema):
    """Something about a value that often comes from a slip of copying."""

    code = fields.String(required=True, validate=validate.OneOf(["blanks_at_ends", "quoted", "scheme_word", "lines"]))
    detail = fields.String(required=True)


class SecretSchema(PartsSchema):
    """A secret: all but its value."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    value = fields.Constant(None, required=True, allow_none=True, metadata={"description": "Always null."})
    value_hidden = fields.Constant(True, required=True, metadata={"description": "Always true."})
    description = fields.String(required=True)
    allowed_hosts = fields.List(fields.String(), required=True)
    allowed_places = fields.List(fields.String(), required=True)
    allowed_requests = fields.List(fields.Nested(AllowedRequestSchema), required=True, allow_none=True)
    wide = fields.Boolean(required=True)
    type = fields.String(required=True, validate=validate.OneOf(SECRET_TYPES))
    managed = fields.String(
        required=True,
        allow_none=True,
        metadata={"enum": ["vault", None], "description": "`vault`: its value is managed in Vault by its operators."},
    )
    source = fields.Nested(
        lambda: SourceSchema(),
        required=True,
        allow_none=True,
        data_key="from",
        metadata={"description": "Where it lies then; told to owners and admins."},
    )
    check_block = fields.String(required=True, allow_none=True)
    version = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Of a value managed in Vault: the one that a call saw last, null without versions."},
    )
    state = fields.String(required=True, validate=validate.OneOf(["pending", "active", "deleting", "reconnect"]))
    expiry = fields.String(required=True, validate=validate.OneOf(get_args(Expiry)))
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    updated_at = fields.AwareDateTime(required=True)
    updated_by = fields.String(required=True)
    last_used_at = fields.AwareDateTime(required=True, allow_none=True)
    permissions = fields.Nested(PermissionsSchema, required=True)
    warnings = fields.List(
        fields.Nested(WarningSchema), metadata={"description": "In the answer to a write alone: what is odd about it."}
    )

    @post_dump(pass_original=True)
    def _complete(self, data: dict[str, Any], secret: Secret, **_kwargs: object) -> dict[str, Any]:
        kept = data if data.get("warnings") is not None else {k: v for k, v in data.items() if k != "warnings"}
        return kept | parts_document(secret)


class SecretPage(Schema):
    """Some secrets, by name."""

    items = fields.List(fields.Nested(SecretSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class SearchQuery(PageQuery):
    """How to search a list."""

    q = PlainText(
        load_default=None,
        validate=validate.Length(max=100),
        metadata={"description": "Looked for in names and descriptions."},
    )


class SecretsQuery(SearchQuery):
    """How to list secrets."""

    unused = fields.Boolean(
        load_default=None, metadata={"description": "Only those that no call ever carried, or only the others."}
    )


class UsageSchema(Schema):
    """How a secret is used, counted from the record."""

    blocks = fields.List(fields.String(), required=True)
    calls = fields.Integer(required=True)
    last_used_at = fields.AwareDateTime(required=True, allow_none=True)
    last_used_by = fields.String(
        required=True, allow_none=True, metadata={"description": "A block's name; null for a call that wasn't saved."}
    )
    upstream_denied_24h = fields.Integer(required=True, metadata={"description": "Answers of 401 and 403."})


class AccessActorSchema(Schema):
    """Who looked, or whose call it was."""

    type = fields.String(required=True)
    id = fields.String(required=True)
    acting_for = fields.String(required=True, allow_none=True)


class SecretAccessSchema(Schema):
    """Looks at a version of a secret, or uses of it, by one actor."""

    actor = fields.Nested(AccessActorSchema, required=True)
    action = fields.String(required=True, metadata={"enum": ["reveal", "use"]})
    version = fields.Integer(required=True, allow_none=True)
    first_at = fields.AwareDateTime(required=True)
    last_at = fields.AwareDateTime(required=True)
    count = fields.Integer(required=True)


class SecretAccessList(Schema):
    """Who looked at a secret and who used it, the latest first; all of it."""

    items = fields.List(fields.Nested(SecretAccessSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class DeletionQuery(Input):
    """What a deletion has to say."""

    confirm = fields.String(load_default=None)
    force = fields.Boolean(load_default=False)


class _Exposed(fields.Field[SecretValue]):
    """A value, written out; the one field that does."""

    def _serialize(self, value: SecretValue | None, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return "" if value is None else value.expose()


class RevealSchema(Schema):
    """A masked value, to be shown briefly."""

    value = _Exposed(required=True, metadata={"type": "string"})
    hide_after_seconds = fields.Integer(required=True)


class VersionSchema(Schema):
    """A version of a secret, without its value."""

    version = fields.Integer(required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(
        required=True, allow_none=True, metadata={"description": "Null where it came into Vault by another hand."}
    )
    destroyed = fields.Boolean(required=True, metadata={"description": "Its value is gone for good."})


class VersionPage(Schema):
    """The versions that Vault keeps, newest first."""

    items = fields.List(fields.Nested(VersionSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class ConfirmQuery(Input):
    """What the end of a version has to say: the secret's name."""

    confirm = fields.String(load_default=None)


class RollbackBody(Input):
    """Which version to go back to."""

    version = StrictInteger(required=True, validate=validate.Range(1, 2**31 - 1))


class ListedSecretSchema(SecretSchema):
    """A secret as the mixed list shows it."""

    kind = fields.Constant("secret", required=True)


class _EntryField(fields.Field[Entry]):
    """A row of the mixed list: the one schema or the other, told apart by ``kind``."""

    def _serialize(self, value: Entry | None, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        schema = VariableSchema() if value.kind == "plain" else ListedSecretSchema()
        return schema.dump(value.item)


class VariablePage(Schema):
    """Some variables and secrets, by name."""

    items = fields.List(
        _EntryField(metadata={"type": "object", "description": "A variable or a secret; `kind` tells which."}),
        required=True,
    )
    next_cursor = fields.String(required=True, allow_none=True)


class VariableQuery(SearchQuery):
    """How to list variables and secrets."""

    kind = fields.String(load_default=None, validate=validate.OneOf(get_args(Kind)))
