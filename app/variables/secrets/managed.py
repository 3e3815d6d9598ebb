"""Values that Vault already has: what lies here is a pointer, and what counts is what its operators have applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from sqlalchemy import update

from app.kernel.errors import NotGranted, Unprocessable
from app.kernel.secret import SecretValue
from app.outbound.hosts import matches, parse_pattern
from app.outbound.model import Origin
from app.resources import Resources
from app.variables.models import VariableRow
from app.variables.secrets.binding import Source, as_pointer
from app.variables.secrets.references import UsableSecret, binding_mismatch, check_binding
from app.variables.validation import fault_of, with_verdict
from app.vault import Grant, GrantedValue, StoredValue

MANAGED: Final[Literal["vault"]] = "vault"
_VISIBILITY: Final = "restricted"


class ManagedValues:
    """Asks for grants, and reads what is granted; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def require(self, source: Source, hosts: Sequence[str], *, workspace: str) -> None:
        """Do nothing where the operators grant the value to the workspace, for all these hosts. No value is read.

        Raises:
            NotGranted: They don't.
            VaultUnavailable: Vault can't be asked.
        """
        granted = [parse_pattern(host) for grant in self._grants(source, workspace) for host in grant.hosts]
        beyond = [host for host in hosts if not any(each.covers(parse_pattern(host)) for each in granted)]
        if beyond:
            raise NotGranted(f"What Vault's operators grant of this value doesn't reach the host {beyond[0]}.")

    def require_destination(self, source: Source, origin: Origin, *, workspace: str) -> None:
        """Do nothing where a call may take the value there, as the grants are now.

        Raises:
            NotGranted: It may not (any more).
            VaultUnavailable: Vault can't be asked.
        """
        if not any(matches(grant.hosts, origin, any_host=True) for grant in self._grants(source, workspace)):
            raise NotGranted(f"What Vault's operators grant of this value doesn't reach the host {origin.host}.")

    def _grants(self, source: Source, workspace: str) -> Sequence[Grant]:
        grants = self._resources.vault.grants(workspace)
        found = [grant for grant in grants if grant.path == source.path and source.field in grant.fields]
        if not found:
            raise NotGranted("Vault's operators don't grant this value to the workspace (any more).")
        return found

    def read(self, secret: UsableSecret, origin: Origin) -> StoredValue:
        """Read a value for a call that goes to this origin: the grant first, then the pointer, then what it points to.

        Raises:
            NotGranted: The value isn't granted for this host (any more).
            BindingMismatch: The pointer isn't the one that Vault was told of.
            ValueNotAllowedHere, TooShort, TooLong, TooGuessable: What lies there is no text, or not fit to be used.
            VaultUnavailable: Vault can't be asked, or nothing lies there.
        """
        source, workspace, vault = secret.source, secret.address.workspace, self._resources.vault
        if source is None:
            raise TypeError("only a value that lies elsewhere is read so")
        self.require_destination(source, origin, workspace=workspace)
        pointer = vault.read_pointer(secret.address)
        check_binding(pointer, secret)
        if pointer.pointer != {"from": as_pointer(source)}:
            raise binding_mismatch(secret.name)
        granted = vault.read_granted(workspace, source.path, source.field)
        value = self._judge(granted.value, secret.name)
        if granted.version != secret.source_version:
            self._note_version(secret, granted)
        return StoredValue(value, granted.version, pointer.binding, granted.request_id)

    def _judge(self, value: SecretValue, name: str) -> SecretValue:
        """Return the value with the verdict on its forms; it is judged when it is seen for the first time."""
        found = self._resources.verdicts.of(value, self._find_fault_or_forms)
        if isinstance(found, tuple):
            fault, sentence = found
            raise fault(f"The value of {name}, which is managed in Vault, can't be used. {sentence}")
        return value.with_forms(found)

    def _find_fault_or_forms(self, value: SecretValue) -> tuple[type[Unprocessable], str] | str | None:
        limits = self._resources.limits
        return fault_of(value, _VISIBILITY, limits) or with_verdict(value, _VISIBILITY, limits).forms

    def _note_version(self, secret: UsableSecret, granted: GrantedValue) -> None:
        """Keep which version was seen; it changes when somebody changes the value, and not by calls."""
        seen = {"source_version": granted.version, "source_version_at": granted.created_at}
        with self._resources.sessions.begin() as session:
            session.execute(update(VariableRow).where(VariableRow.id == secret.id).values(**seen))
