"""Running a saved block, and looking at what a run would send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from app.access import Access, Permission, require
from app.audit.history import last_runs
from app.audit.service import Deed, EventPage, Target
from app.blocks.service import Runnable, block_row, runnable
from app.calls.service import Calls, CompletedCall, Preview, ResolvedCall, intent_facts, requirements_of, resolve_call
from app.calls.streams import StreamedCall
from app.db import VersionedCache
from app.kernel.errors import FieldLocation, MissingVariable, NotFound, StrongroomError, ValidationFailed
from app.kernel.secret import SecretValue
from app.resources import Resources


class BlockRuns:
    """Runs and previews a workspace's saved blocks; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def run(
        self, name: str, variables: Mapping[str, object], *, access: Access, cache: VersionedCache
    ) -> CompletedCall:
        """Run a saved block.

        Args:
            variables: What the request brings; it goes before the block's own defaults, and those before the
                workspace's variables.
            cache: What was looked up for earlier runs and still holds.

        Raises:
            NotFound: There is no such block.
            StrongroomError: The call was refused or failed; its code says how.
        """

        target, intent = self._intent(name, access=access, cache=cache)
        return Calls(self._resources).perform(
            target,
            permission=Permission.BLOCK_RUN,
            access=access,
            intent=intent,
            look_up=lambda _deed: self._resolve(name, variables, access=access, cache=cache),
        )

    def streams(self, name: str, *, access: Access, cache: VersionedCache) -> bool:
        """Tell whether a block's answer is to stream; of one that can't be run, no."""
        try:
            return self._find(name, access=access, cache=cache).streams
        except StrongroomError:  # it is refused once the intent is recorded
            return False

    def stream(
        self,
        name: str,
        variables: Mapping[str, object],
        *,
        access: Access,
        cache: VersionedCache,
        is_awaited: Callable[[], bool],
    ) -> StreamedCall:
        """Run a saved block, its answer as a stream.

        Args:
            variables: What the request brings; it goes before the block's own defaults, and those before the
                workspace's variables.
            cache: What was looked up for earlier runs and still holds.
            is_awaited: Tells whether anybody still waits for the answer.

        Raises:
            NotFound: There is no such block.
            StrongroomError: The call was refused or failed before its answer's first byte; its code says how.
        """
        target, intent = self._intent(name, access=access, cache=cache)

        def _require_block(access: Access, cache: VersionedCache) -> None:
            if self._find(name, access=access, cache=cache).id != target.id:
                raise NotFound(f"There is no block {name[:64]}.")

        return Calls(self._resources).perform_stream(
            target,
            permission=Permission.BLOCK_RUN,
            access=access,
            intent=intent,
            look_up=lambda _deed: self._resolve(name, variables, access=access, cache=cache),
            require_source=_require_block,
            is_awaited=is_awaited,
        )

    def _resolve(
        self, name: str, variables: Mapping[str, object], *, access: Access, cache: VersionedCache
    ) -> ResolvedCall:
        block = self._find(name, access=access, cache=cache)
        template = block.template
        requirements = cache.get(
            ("requirements", access.workspace, name),
            lambda session: requirements_of(template, access=access, session=session),
        )
        return resolve_call(
            template, requirements, variables, clock=self._resources.clock, captures_only=block.captures_only
        )

    def _intent(
        self, name: str, *, access: Access, cache: VersionedCache
    ) -> tuple[Target, Mapping[str, object] | None]:
        """Return what the record's intent says; of a block that can't be run no more than its name."""
        try:
            block = self._find(name, access=access, cache=cache)
        except StrongroomError:  # it is refused once the intent is recorded
            return Target("block", name=name[:64]), None
        return Target("block", block.id, name), intent_facts(block.template)

    def _find(self, name: str, *, access: Access, cache: VersionedCache) -> Runnable:
        return cache.get(("block", access.workspace, name), lambda session: runnable(session, access, name))

    def check(
        self, name: str, *, secret: str, candidate: SecretValue, access: Access, location: FieldLocation
    ) -> CompletedCall:
        """Run a saved block with a new value in the place of a secret's own, before that is stored.

        It counts neither as a use of the secret nor as a refusal of the upstream. What is compared and refused is as
        for any call; the value that is live is read for its binding, and taken out of the answer too.

        Args:
            secret: The secret's name.
            candidate: The new value.
            location: Where the request names the block.

        Raises:
            ValidationFailed: There is no such block, or it can't prove anything about the secret.
            StrongroomError: The call was refused or failed; its code says how.
        """

        with self._resources.sessions.read() as session:
            block = _provable(session, access, name, secret=secret, location=location)

        def _look_up(_deed: Deed) -> ResolvedCall:
            resolved = self._resolve_check(block, access=access, location=location)
            return replace(resolved, candidates={secret: candidate}, changes=None)

        return Calls(self._resources).perform(
            Target("block", block.id, name),
            permission=Permission.BLOCK_RUN,
            access=access,
            intent={**intent_facts(block.template), "check": True},
            look_up=_look_up,
        )

    def _resolve_check(self, block: Runnable, *, access: Access, location: FieldLocation) -> ResolvedCall:
        with self._resources.sessions.read() as session:
            requirements = requirements_of(block.template, access=access, session=session)
        clock = self._resources.clock
        try:
            return resolve_call(block.template, requirements, {}, clock=clock, captures_only=block.captures_only)
        except MissingVariable as missing:
            raise _proves_nothing(f"It needs a variable without a default: {missing.detail}", location) from None

    def preview(self, name: str, variables: Mapping[str, object], *, access: Access) -> Preview:
        """Show a saved block as a run of it would go out; no value is read, nothing is sent, and nothing is recorded.

        It shows what the block holds, so it is for those who may read blocks.

        Raises:
            Forbidden, NotFound, UnknownSecret, MissingVariable, SecretExpired, PlaceNotAllowed, ValueNotAllowedHere
        """
        require(access, Permission.BLOCK_READ)
        with self._resources.sessions.read() as session:
            template = runnable(session, access, name).template
            requirements = requirements_of(template, access=access, session=session)
        resolved = resolve_call(template, requirements, variables, clock=self._resources.clock)
        return Calls(self._resources).preview_resolved(resolved)

    def last(self, name: str, *, access: Access, limit: int, below: int | None = None) -> EventPage:
        """List the block's last runs as the record has them, newest first.

        Args:
            limit: How many at most.
            below: Where to go on, from ``EventPage.below`` of the page before.

        Raises:
            Forbidden: The role may not read blocks.
            NotFound: There is no such block.
        """
        require(access, Permission.BLOCK_READ)
        resources = self._resources
        with resources.sessions.read() as session:
            block = Target("block", block_row(session, access, name).id, name)
        return last_runs(
            block,
            chain=str(access.workspace),
            sessions=resources.sessions,
            limit=limit,
            below=below,
        )


def _provable(session: Session, access: Access, name: str, *, secret: str, location: FieldLocation) -> Runnable:
    """Return a block that a new value of the secret can be tried with. Raises ``ValidationFailed``."""
    try:
        block = runnable(session, access, name)
    except NotFound:
        raise _proves_nothing(f"There is no block {name[:64]}.", location) from None
    if block.template.written.method not in ("GET", "HEAD"):
        raise _proves_nothing("A check is a GET or HEAD, which changes nothing there.", location)
    if secret not in block.template.secrets:
        raise _proves_nothing(f"It doesn't use {secret}, so it proves nothing about it.", location)
    if block.streams:
        raise _proves_nothing("A block that streams can't be a check.", location)
    return block


def _proves_nothing(sentence: str, location: FieldLocation) -> ValidationFailed:
    return ValidationFailed(f"The block can't be the check: {sentence}", errors={location: [sentence]})
