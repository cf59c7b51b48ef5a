"""Approve or reject, many at once (DOMAIN section 3, Review and Ticket number)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.keep_older_numbers import keep_older_numbers
from zikao_registration.domain.four_eyes import is_drawn
from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.domain.reviewing import judge
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import PENDING, State
from zikao_registration.stores.reviews import AssignedNumber, Decided, ReviewStore, SerialKey


@dataclass(frozen=True)
class Proposal:
    """What an officer wants to be decided."""

    candidate_id: UUID
    decision: Decision
    actor: Actor


Outcome = Registration | DomainError


async def decide_registrations(
    reviews: ReviewStore, proposals: Sequence[Proposal], locked: Mapping[UUID, Registration]
) -> list[Outcome]:
    """Decide each, the first come first; the outcomes are in their order.

    An outcome is the registration after the decision, an approved one with its number and in
    the feed, or the reason of the refusal: NOT_FOUND, OUT_OF_SCOPE, STATE_NOT_ALLOWED,
    LEASE_LOST, SERIALS_EXHAUSTED, and those of `keep_older_numbers`. A decision ends the lease,
    so none but the first on a registration counts. The caller has locked `locked`, those of the
    proposals that exist.
    """
    sessions = await _sessions(reviews, locked.values())
    registrations = dict(locked)
    outcomes: list[Decided | DomainError] = []
    for proposal in proposals:
        outcome = _judged(reviews, registrations, sessions, proposal)
        if isinstance(outcome, Decided):
            registrations[proposal.candidate_id] = outcome.after
        outcomes.append(outcome)
    numbered = await _with_numbers(reviews, sessions, outcomes)
    await _store(reviews, [each for each in numbered if isinstance(each, Decided)])
    return [each.after if isinstance(each, Decided) else each for each in numbered]


async def _sessions(
    reviews: ReviewStore, registrations: Iterable[Registration]
) -> dict[str, Session]:
    """The sessions of what can be decided; older candidates are of none."""
    codes = {each.session_code for each in registrations if each.state in PENDING}
    return {code: await reviews.registrations.sessions.load(code) for code in sorted(codes)}


def _judged(
    reviews: ReviewStore,
    registrations: Mapping[UUID, Registration],
    sessions: Mapping[str, Session],
    proposal: Proposal,
) -> Decided | DomainError:
    before = registrations.get(proposal.candidate_id)
    if before is None:
        return DomainError(NOT_FOUND)
    actor, decision = proposal.actor, proposal.decision
    try:
        actor.require_scope(before.personal.county_code)
        drawn = before.state in PENDING and is_drawn(
            reviews.draw_of(before), sessions[before.session_code].four_eyes_percent
        )
        after = judge(before, decision, UUID(actor.subject), is_drawn=drawn)
    except DomainError as refusal:
        return refusal
    return Decided(actor, decision, before, after)


async def _with_numbers(
    reviews: ReviewStore,
    sessions: Mapping[str, Session],
    outcomes: Sequence[Decided | DomainError],
) -> list[Decided | DomainError]:
    """Number the approved in their order; whoever finds no serial left is refused and takes none.

    Who has an older number keeps it.

    The counties' serials stay locked to the end of the transaction: nothing but writing follows.
    """
    approved = [each for each in outcomes if _is_approved(each)]
    if not approved:
        return list(outcomes)
    numbers = await keep_older_numbers(reviews, [each.after for each in approved])
    new = [each.after for each in approved if each.after.candidate_id not in numbers]
    numbers |= await _assign(reviews, sessions, new)
    return [_numbered(each, numbers) if _is_approved(each) else each for each in outcomes]


async def _assign(
    reviews: ReviewStore, sessions: Mapping[str, Session], approved: Sequence[Registration]
) -> dict[UUID, str | DomainError]:
    """The next numbers of their counties, stored.

    No session is applied that has a number which somebody has. Were there one all the same, the
    county must not stand still: it is passed over, and the invariants report the gap.
    """
    before = await reviews.lock_serials(sorted({_serial_key(each) for each in approved}))
    taken: set[str] = set()
    while True:
        serials = dict(before)
        numbers = {
            each.candidate_id: _next_number(sessions, serials, each, taken) for each in approved
        }
        assigned = [each for each in numbers.values() if isinstance(each, AssignedNumber)]
        found = await reviews.find_taken(each.ticket_number for each in assigned)
        if not found:
            break
        taken |= found
    await reviews.save_serials(serials)
    await reviews.insert_ticket_numbers(assigned)
    return {
        who: each.ticket_number if isinstance(each, AssignedNumber) else each
        for who, each in numbers.items()
    }


def _next_number(
    sessions: Mapping[str, Session],
    serials: dict[SerialKey, int],
    approved: Registration,
    taken: Collection[str],
) -> AssignedNumber | DomainError:
    """Take the next serial whose number is not `taken` out of `serials`, if there is one left."""
    key = session_code, county_code = _serial_key(approved)
    serial, ticket_number = serials[key], ""
    try:
        while not ticket_number or ticket_number in taken:
            serial += 1
            ticket_number = sessions[session_code].make_ticket_number(county_code, serial)
    except DomainError as exhausted:
        return exhausted
    serials[key] = serial
    return AssignedNumber(
        ticket_number, approved.candidate_id, approved.updated_at, session_code, county_code, serial
    )


def _numbered(
    approved: Decided, numbers: Mapping[UUID, str | DomainError]
) -> Decided | DomainError:
    number = numbers[approved.after.candidate_id]
    if isinstance(number, DomainError):
        return number
    return replace(approved, after=replace(approved.after, ticket_number=number))


async def _store(reviews: ReviewStore, decided: Sequence[Decided]) -> None:
    if not decided:
        return
    await reviews.update_decided(each.after for each in decided)
    await reviews.insert_decisions(decided)
    await reviews.audit_decisions(decided)
    admitted = [each.after for each in decided if _is_approved(each)]
    if admitted:
        await reviews.registrations.publish(*admitted)


def _is_approved(outcome: Decided | DomainError) -> TypeGuard[Decided]:
    return isinstance(outcome, Decided) and outcome.after.state is State.APPROVED


def _serial_key(registration: Registration) -> SerialKey:
    return registration.session_code, registration.personal.county_code
