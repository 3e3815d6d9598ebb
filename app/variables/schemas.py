"""Secrets and variables as JSON. A value comes in; only ``RevealSchema`` ever writes one out."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, post_dump, validate

from app.kernel.secret import SecretValue
from app.outbound.model import AllowedRequest
from app.outbound.requests_allowed import METHODS
from app.variables.listing import Entry, Kind
from app.variables.secrets.check import Check
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.queries import Expiry
from app.variables.secrets.service import SecretChanges
from app.variables.service import NewVariable, VariableChanges
from app.variables.validation import VARIABLE_NAME
from app.vault import VISIBILITIES
from app.web.body import Fixed, Input, JsonValue, Moment, Patch, PlainText, SecretText, Truth, Whole
from app.web.paging import PageQuery

NAME = validate.Regexp(
    rf"^(?:{VARIABLE_NAME.pattern})\Z", error="Must be 1 to 64 ASCII letters, digits or _, and not begin with a digit."
)
_DESCRIPTION = validate.Length(max=2000)
_FEW = validate.Length(max=100)


def _texts(**kwargs: Any) -> fields.List[str]:
    return fields.List(PlainText(validate=validate.Length(1, 300)), validate=_FEW, **kwargs)


def _requests(**kwargs: Any) -> fields.List[Any]:
    return fields.List(
        fields.Nested(lambda: AllowedRequestBody()),
        allow_none=True,
        metadata={"description": "Null allows any request.", "example": [{"methods": ["GET"], "path": "/api/v2/**"}]},
        **kwargs,
    )


class AllowedRequestBody(Input):
    """Requests that a secret may ride."""

    into = AllowedRequest

    methods = fields.List(
        fields.String(validate=validate.OneOf(METHODS)), load_default=None, metadata={"example": ["GET"]}
    )
    path = PlainText(load_default=None, metadata={"example": "/api/v2/tickets/**"})


class SecretBody(Input):
    """A new secret."""

    into = NewSecret

    name = fields.String(required=True, validate=NAME, metadata={"example": "ZENDESK_TOKEN"})
    value = SecretText(required=True, metadata={"example": "zd-9f3b2c7e1a5d4860"})
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))
    description = PlainText(load_default="", validate=_DESCRIPTION)
    allowed_hosts = _texts(load_default=None, allow_none=True, metadata={"example": ["api.example.com"]})
    allowed_places = _texts(load_default=None, allow_none=True, metadata={"example": ["header:Authorization"]})
    allowed_requests = _requests(load_default=None)
    wide = Truth(load_default=False, metadata={"description": "Whether a restricted secret may have wildcards."})
    expires_at = Moment(load_default=None, allow_none=True)
    type = fields.String(load_default="value", validate=validate.OneOf(["value"]))


class SecretPatch(Patch):
    """Changes of a secret."""

    into = SecretChanges

    description = PlainText(validate=_DESCRIPTION)
    allowed_hosts = _texts()
    allowed_places = _texts()
    allowed_requests = _requests()
    wide = Truth()
    expires_at = Moment(allow_none=True)
    check_block = fields.String(
        allow_none=True,
        validate=validate.Length(1, 63),
        metadata={"description": "The saved block that every new value is tried with."},
    )
    value = SecretText(metadata={"description": "Needed where a restricted secret is given wider rules."})
    name = Fixed()
    visibility = Fixed()
    type = Fixed()


class CheckBody(Input):
    """What a new value is tried with before it goes live."""

    into = Check

    block = fields.String(required=True, validate=validate.Length(1, 63), metadata={"example": "whoami"})
    statuses = fields.List(
        Whole(validate=validate.Range(100, 599)), load_default=None, validate=validate.Length(1, 100)
    )


class _CheckField(fields.Nested):
    """A check, or ``false`` for none."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return False if value is False else super()._deserialize(value, *args, **kwargs)


class ValueBody(Input):
    """A new value."""

    value = SecretText(required=True)
    check = _CheckField(
        lambda: CheckBody(),
        load_default=None,
        metadata={
            "description": "A saved GET or HEAD block, run with it first; false: not even the secret's own.",
            "x-also": False,
        },
    )


class PermissionsSchema(Schema):
    """What this caller may do with the secret."""

    reveal = fields.Boolean(required=True)
    set_value = fields.Boolean(required=True)
    edit = fields.Boolean(required=True)
    delete = fields.Boolean(required=True)


class AllowedRequestSchema(Schema):
    """Requests that a secret may ride; what is left out allows each."""

    methods = fields.List(fields.String())
    path = fields.String()

    @post_dump
    def _leave_out(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class WarningSchema(Schema):
    """Something about a value that often comes from a slip of copying."""

    code = fields.String(required=True, validate=validate.OneOf(["blanks_at_ends", "quoted", "scheme_word", "lines"]))
    detail = fields.String(required=True)


class SecretSchema(Schema):
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
    type = fields.Constant("value", required=True)
    managed = fields.Constant(None, required=True, allow_none=True, metadata={"type": ["string", "null"]})
    source = fields.Constant(
        None, required=True, allow_none=True, data_key="from", metadata={"type": ["object", "null"]}
    )
    check_block = fields.String(required=True, allow_none=True)
    version = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["pending", "active", "deleting"]))
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

    @post_dump
    def _leave_out(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return data if data.get("warnings") is not None else {k: v for k, v in data.items() if k != "warnings"}


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

    version = Whole(required=True, validate=validate.Range(1, 2**31 - 1))


class VariableBody(Input):
    """A new plain variable."""

    into = NewVariable

    name = fields.String(required=True, validate=NAME, metadata={"example": "REGION"})
    value = JsonValue(required=True, allow_none=True, metadata={"example": "eu-central-1"})
    description = PlainText(load_default="", validate=_DESCRIPTION)


class VariablePatch(Patch):
    """Changes of a plain variable."""

    into = VariableChanges

    value = JsonValue(allow_none=True)
    description = PlainText(validate=_DESCRIPTION)
    name = Fixed()


class VariablePermissionsSchema(Schema):
    """What this caller may do with the variable."""

    edit = fields.Boolean(required=True)
    delete = fields.Boolean(required=True)


class VariableSchema(Schema):
    """A plain variable, with its value."""

    kind = fields.Constant("plain", required=True)
    id = fields.String(required=True)
    name = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "Any JSON."})
    description = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.String(required=True)
    updated_at = fields.AwareDateTime(required=True)
    updated_by = fields.String(required=True)
    permissions = fields.Nested(VariablePermissionsSchema, required=True)


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
