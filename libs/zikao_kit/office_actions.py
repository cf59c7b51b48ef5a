"""Acts of offices, done or waiting, in a service's table `office_action`.

actions = OfficeActionStore(tx, "tickets", act_to_json, act_from_json)
await require_few_pending(actions, officer, now)
await keep_action(store, action, effect, ...)
await decide_action(store, action_id, perform, confirm=True, ...)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol
from uuid import UUID

from zikao_kit.db import Record, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.office_acts import (
    A,
    ActionFilter,
    ActionState,
    Effect,
    OfficeAction,
    Proposal,
)
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.queries import kit_queries
from zikao_kit.tokens import Actor

DEFAULT_PAGE_SIZE = 20
# Each may be hundreds of seats, and a second officer has to read them.
MAX_PENDING = 100


class OfficeActionStore(Generic[A]):
    """Bound to the running transaction; a service makes JSON of its acts, and acts of it."""

    def __init__(
        self,
        tx: Transaction,
        schema: str,
        to_json: Callable[[A], str],
        from_json: Callable[[str], A],
    ) -> None:
        self._tx = tx.using(kit_queries(schema))
        self._to_json = to_json
        self._from_json = from_json

    async def insert(self, action: OfficeAction[A]) -> None:
        """Store a new one."""
        proposal = action.proposal
        await self._tx.execute(
            "insert_office_action",
            action.action_id,
            proposal.session_code,
            proposal.county_prefix,
            self._to_json(proposal.act),
            action.state,
            action.proposed_by,
            action.proposed_at,
            action.expires_at,
        )

    async def count_pending(self, officer: str, now: datetime) -> int:
        """How many of an officer's wait for another one; it stays so until the transaction ends."""
        await self._tx.execute("lock_officer", officer)
        pending: int = await self._tx.fetchval("count_pending_office_actions", officer, now)
        return pending

    async def count_all_pending(self, now: datetime) -> int:
        """How many wait for a second officer."""
        pending: int = await self._tx.fetchval("count_all_pending_office_actions", now)
        return pending

    async def lock(self, action_id: UUID) -> OfficeAction[A] | None:
        """The act, locked until the transaction ends."""
        row = await self._tx.fetchrow("lock_office_action", action_id)
        return self._action(row) if row else None

    async def decide(self, action: OfficeAction[A]) -> None:
        """Store what became of it."""
        await self._tx.execute(
            "decide_office_action",
            action.action_id,
            action.state,
            action.decided_by,
            action.decided_at,
        )

    async def list_page(
        self, wanted: ActionFilter, now: datetime, before: int | None, limit: int
    ) -> Sequence[tuple[int, OfficeAction[A]]]:
        """Acts with their places in the list, the newest first, after the place `before`."""
        rows = await self._tx.fetch(
            "list_office_actions",
            wanted.county_prefix,
            wanted.session_code,
            wanted.state,
            now,
            before,
            limit,
        )
        return [(row["position"], self._action(row)) for row in rows]

    def _action(self, row: Record) -> OfficeAction[A]:
        act = self._from_json(row["act"])
        return OfficeAction(
            action_id=row["action_id"],
            proposal=Proposal(row["session_code"], row["county_prefix"], act),
            state=ActionState(row["state"]),
            proposed_by=row["proposed_by"],
            proposed_at=row["proposed_at"],
            expires_at=row["expires_at"],
            decided_by=row["decided_by"],
            decided_at=row["decided_at"],
        )


class ActionDesk(Protocol[A]):
    """What of a service's stores keeps acts and tells of them, within one transaction."""

    actions: OfficeActionStore[A]
    audit: OfficeAuditStore


async def list_actions(
    store: OfficeActionStore[A],
    wanted: ActionFilter,
    page_size: int,
    page_token: str,
    now: datetime,
) -> tuple[Sequence[OfficeAction[A]], str]:
    """A page, the newest first, and the token of the next, empty after the last.

    The state looked for is that of now.
    """
    size = page_size or DEFAULT_PAGE_SIZE
    before = int(page_token) if page_token else None
    found = await store.list_page(wanted, now, before, size + 1)
    next_page_token = str(found[size - 1][0]) if len(found) > size else ""
    return [action for _, action in found[:size]], next_page_token


async def require_few_pending(store: OfficeActionStore[A], officer: str, now: datetime) -> None:
    """Raise DomainError TOO_MANY_PENDING_ACTIONS when MAX_PENDING of an officer's wait already."""
    if await store.count_pending(officer, now) >= MAX_PENDING:
        raise DomainError("TOO_MANY_PENDING_ACTIONS", limit=MAX_PENDING)


async def keep_action(
    desk: ActionDesk[A], action: OfficeAction[A], effect: Effect, *, actor: Actor, now: datetime
) -> None:
    """Keep what was done, or what would be when a second officer confirms it.

    The caller has checked the actor's scope, and that few wait.
    """
    await desk.actions.insert(action)
    verb = "propose_" if action.state is ActionState.PENDING else ""
    await _tell(desk.audit, verb, action, effect, actor=actor, now=now)


async def decide_action(
    desk: ActionDesk[A],
    action_id: UUID,
    perform: Callable[[OfficeAction[A]], Awaitable[Effect]],
    *,
    confirm: bool,
    actor: Actor,
    now: datetime,
) -> OfficeAction[A]:
    """Decide it, and carry out what is confirmed, checked anew by `perform`.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, ACTION_DECIDED, SECOND_OFFICER_NEEDED, and what
    `perform` raises.
    """
    action = await desk.actions.lock(action_id)
    if action is None:
        raise DomainError(NOT_FOUND)
    actor.require_scope(action.proposal.county_prefix)
    decided = action.decided(actor.subject, now, confirm=confirm)
    effect = await perform(decided) if confirm else None
    await desk.actions.decide(decided)
    verb = "confirm_" if confirm else "reject_"
    await _tell(desk.audit, verb, decided, effect, actor=actor, now=now)
    return decided


async def _tell(
    audit: OfficeAuditStore,
    verb: str,
    action: OfficeAction[A],
    effect: Effect | None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    proposal = action.proposal
    await audit.add(
        actor,
        f"{verb}{proposal.act.name}",
        now,
        session_code=proposal.session_code,
        county_prefix=proposal.county_prefix,
        before=effect.before if effect else {},
        after={"action_id": str(action.action_id), **(effect.after if effect else {})},
    )
