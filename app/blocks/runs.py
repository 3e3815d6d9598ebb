"""Running a saved block, and looking at what a run would send."""

from __future__ import annotations

from collections.abc import Mapping

from app.access import Access, Permission, require
from app.audit.service import Target
from app.blocks.service import Runnable, runnable
from app.calls.service import Calls, CompletedCall, Preview, ResolvedCall, intent_facts, requirements_of, resolve_call
from app.calls.streams import StreamedCall
from app.db import VersionedCache
from app.kernel.errors import NotFound, StrongroomError
from app.resources import Resources


class BlockRuns:
    """Runs and previews a workspace's saved blocks; bound to one request's resources."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def run(self, name: str, variables: Mapping[str, str], *, access: Access, cache: VersionedCache) -> CompletedCall:
        """Run a saved block.

        Args:
            variables: What the request brings; it goes before the block's own defaults, and those before the
                workspace's variables.
            cache: What was looked up for earlier runs and still holds.

        Raises:
            NotFound: There is no such block.
            StrongroomError: Whatever ``Calls.perform`` raises.
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

    def stream(self, name: str, variables: Mapping[str, str], *, access: Access, cache: VersionedCache) -> StreamedCall:
        """Run a saved block, its answer as a stream. Takes and raises what ``run`` does."""
        target, intent = self._intent(name, access=access, cache=cache)
        sessions = self._resources.sessions

        def _require_block(access: Access) -> None:
            if self._find(name, access=access, cache=sessions.cache()).id != target.id:
                raise NotFound(f"There is no block {name[:64]}.")

        return Calls(self._resources).perform_stream(
            target,
            permission=Permission.BLOCK_RUN,
            access=access,
            intent=intent,
            look_up=lambda _deed: self._resolve(name, variables, access=access, cache=cache),
            require_source=_require_block,
        )

    def _resolve(
        self, name: str, variables: Mapping[str, str], *, access: Access, cache: VersionedCache
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

    def preview(self, name: str, variables: Mapping[str, str], *, access: Access) -> Preview:
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
