"""``strongroom secret``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import IO, Any, Final, cast, get_args

import click
from marshmallow import ValidationError

from app.access import OPERATOR, Access, Role
from app.cli.runtime import open_service, read_settings
from app.kernel.errors import NotForThisType, ValidationFailed
from app.kernel.secret import SecretValue
from app.resources import Resources
from app.variables.schemas.secrets import SecretBody
from app.variables.secrets.creation import NewSecret
from app.variables.secrets.deposits import Credential, read_key
from app.variables.secrets.edits import SecretChanges
from app.variables.secrets.queries import Secret, SecretQueries, wrapping_key
from app.variables.secrets.service import Secrets
from app.variables.secrets.types import Aws4Parts, HmacParts, JwtParts, MadeOf, build_parts
from app.vault.key_material import KeyEncoding
from app.web.errors import validation_failed
from app.workspaces.service import require_workspace

_GREATEST_KEY: Final = 64 * 1024
_GREATEST_DEFINITION: Final = 1024 * 1024


@click.group()
def secret() -> None:
    """Look after secrets."""


@secret.command("import-key")
@click.argument("name")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--workspace", required=True, metavar="WS", help="Whose secret it is.")
@click.option("--new", type=click.File("rb"), help="Create the secret: a JSON file as the API takes it, without key.")
@click.option("--encoding", type=click.Choice(get_args(KeyEncoding)), help="How an hmac key is written (utf-8).")
@click.option("--access-key-id", help="The new access key's id, of an aws4 secret.")
def import_key(
    name: str,
    file: IO[bytes],
    workspace: str,
    new: IO[bytes] | None,
    encoding: KeyEncoding | None,
    access_key_id: str | None,
) -> None:
    """Give the secret NAME the signing key in FILE (or on standard input), wrapped so that only Vault can open it.

    The key is checked and wrapped here, by Vault's own wrapping key: the running service never sees it. Of an hmac or
    aws4 key, one line break at the end is no part of it.
    """
    access = Access(OPERATOR, workspace, Role.OWNER)
    key, definition = _read_key(file), None if new is None else _read_definition(new, name)
    parts = {} if access_key_id is None else {"access_key_id": access_key_id}
    with open_service(read_settings()) as resources:
        require_workspace(workspace, sessions=resources.sessions)
        if definition is not None:
            made_of = build_parts(definition.type, {**definition.parts, **parts})
            wrapped = _wrap(key, encoding, made_of, access=access, resources=resources)
            complete = replace(definition, value=wrapped, parts={**definition.parts, **parts})
            done: Secret = Secrets(resources).create(complete, access=access)
        else:
            seen = SecretQueries(resources).get(name, access=access)
            made_of = build_parts(seen.type, parts, seen.made_of)
            wrapped = _wrap(key, encoding, made_of, access=access, resources=resources)
            changes = SecretChanges(credential=wrapped, parts=parts)
            done = Secrets(resources).put_value(name, changes, revision=seen.revision, access=access)
    click.echo(f"{name} signs with the imported key (version {done.version}). Delete the file that you took it from.")


def _wrap(
    key: str, encoding: KeyEncoding | None, made_of: MadeOf | None, *, access: Access, resources: Resources
) -> Credential:
    if not isinstance(made_of, HmacParts | JwtParts | Aws4Parts):
        raise NotForThisType("Only secrets of the types hmac, jwt and aws4 have a key to import.")
    if encoding is not None and not isinstance(made_of, HmacParts):
        raise click.UsageError(f"--encoding is for hmac keys; this secret is of the type {made_of.type}.")
    text = key if isinstance(made_of, JwtParts) else key.removesuffix("\n").removesuffix("\r")
    field = "secret_access_key" if isinstance(made_of, Aws4Parts) else "key"
    material = read_key(Credential({field: SecretValue(text)}, encoding), made_of)
    public_key = wrapping_key(access=access, vault=resources.vault).public_key
    return Credential(wrapped_key=material.wrap(public_key))


def _read_key(file: IO[bytes]) -> str:
    content = file.read(_GREATEST_KEY + 1)
    if len(content) > _GREATEST_KEY:
        raise ValidationFailed("The file is too large to be a key.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        sentence = "The key isn't text: write an hmac key's bytes as base64 (--encoding base64), a private key as PEM."
        raise ValidationFailed(sentence) from None


def _read_definition(file: IO[bytes], name: str) -> NewSecret:
    try:
        document: Any = json.loads(file.read(_GREATEST_DEFINITION).decode())
    except (ValueError, RecursionError):
        raise ValidationFailed("The file that --new names isn't JSON.") from None
    if not isinstance(document, Mapping):
        raise ValidationFailed("The file that --new names holds no JSON object.")
    try:
        loaded = cast(NewSecret, SecretBody().load({**document, "name": name}))
    except ValidationError as wrong:
        raise validation_failed(wrong) from None
    if loaded.value is not None:
        raise ValidationFailed("The file that --new names holds a key or a value; give it as FILE.")
    return loaded
