"""What every method by which an office does something has in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast
from uuid import uuid4

from google.protobuf.message import Message
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.propose_action import propose_action
from zikao_tickets.converts.offices import action_to_pb
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts

R = TypeVar("R", bound=Message)


Find = Callable[[Transaction], Awaitable[Proposal]]
Finish = Callable[[Transaction, R], Awaitable[None]]


async def _finished(_: Transaction, __: Message) -> None:
    """The act is the whole answer."""


async def propose(
    parts: Parts,
    request: Message,
    proposal: Proposal,
    response_type: type[R],
    *,
    dry_run: bool = False,
) -> R:
    """Do it, or keep it for a second officer; the answer's `action` says which."""

    async def find(_: Transaction) -> Proposal:
        return proposal

    return await propose_found(parts, request, find, response_type, dry_run=dry_run)


async def propose_found(
    parts: Parts,
    request: Message,
    find: Find,
    response_type: type[R],
    finish: Finish[R] = _finished,
    *,
    dry_run: bool = False,
) -> R:
    """The same of what `find` makes of the request, once: a repetition may find it done.

    `finish` completes the answer in the same transaction. With `dry_run` the act is what it would
    be, without an id.
    """
    actor, now, action_id = current_actor(), parts.clock.now(), uuid4()
    lifetime = parts.office_action_lifetime

    async def work(tx: Transaction) -> R:
        store, proposal = parts.offices(tx), await find(tx)
        action = await propose_action(
            store, action_id, proposal, actor=actor, lifetime=lifetime, now=now, dry_run=dry_run
        )
        answer = cast(Any, response_type)(action=action_to_pb(action, now))
        if dry_run:
            answer.action.ClearField("action_id")
        await finish(tx, answer)
        return cast(R, answer)

    return await run_once(parts.db, request, response_type, work, schema=SCHEMA)
