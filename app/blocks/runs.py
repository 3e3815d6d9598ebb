"""Running a saved block, and looking at what a run would send."""

from __future__ import annotations

from collections.abc import Mapping

from app.access import Access, Permission, require
from app.audit.service import Deed, EventPage, Target, last_runs
from app.blocks.service import Runnable, block_row, runnable
from app.calls.service import Calls, CompletedCall, Preview, ResolvedCall, intent_facts, requirements_of, resolve_call
from app.db import VersionedCache
from app.kernel.errors import StrongroomError
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
            StrongroomError: Whatever ``Calls.perform`` raises.
        """

        def _look_up(_deed: Deed) -> ResolvedCall:
            block = self._find(name, access=access, cache=cache)
            template = block.template
            requirements = cache.get(
                ("requirements", access.workspace, name),
                lambda session: requirements_of(template, access=access, session=session),
            )
            return resolve_call(
                template, requirements, variables, clock=self._resources.clock, captures_only=block.captures_only
            )

        target, intent = self._intent(name, access=access, cache=cache)
        return Calls(self._resources).perform(
            target, permission=Permission.BLOCK_RUN, access=access, intent=intent, look_up=_look_up
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
