"""Takes, changes and gives back the seats of many candidates in one transaction (DESIGN 4).

Decided here on locked rows rather than in one SQL statement: the locks are the same, and the
decision is a pure function that can be tested by itself (`domain.allocation`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.commands.store_moves import store_new_orders, store_orders
from zikao_enrollment.domain.allocation import (
    Allocation,
    AlreadyEnrolled,
    Claim,
    Decision,
    Granted,
    OnlyOnce,
    SeatChange,
    SeatKey,
    SoldOut,
    TooManyCourses,
    is_hopeless,
    is_plenty,
    seat_keys,
)
from zikao_enrollment.domain.order_states import OrderAction
from zikao_enrollment.domain.orders import (
    Candidate,
    Move,
    NotYetKnown,
    Order,
    Terms,
    ledger_changes,
)
from zikao_enrollment.domain.timetable import Session, Track
from zikao_enrollment.domain.waiting import needs_pass_error
from zikao_enrollment.domain.wishes import (
    Submission,
    Wish,
    claim_of,
    granted,
    require_choice,
    terms_of,
)
from zikao_enrollment.store import Store


class Locked(NamedTuple):
    """The rows that a batch is about and that exist, locked: first orders, then candidates."""

    orders: Mapping[UUID, Order]
    candidates: Mapping[UUID, Candidate]


class Seated(NamedTuple):
    """What was decided; the ledger changes by it afterwards (`change_ledger`).

    `is_locked` is False when there was so much room that its rows were not needed to decide.
    """

    answers: Sequence[Order | DomainError]
    changes: Mapping[SeatKey, SeatChange]
    is_locked: bool


class Seen(NamedTuple):
    """Free seats as they were seen less than a second ago.

    A submission that finds no county in `surely_full` is refused without waiting for the ledger
    rows that everybody wants; those for which there is plenty in `likely` are seated without.
    """

    surely_full: Mapping[SeatKey, int] = MappingProxyType({})
    likely: Mapping[SeatKey, int] = MappingProxyType({})
    spare: int = 0


async def seat_batch(
    store: Store,
    session: Session,
    locked: Locked,
    wishes: Sequence[Wish],
    now: datetime,
    *,
    seen: Seen = Seen(),  # noqa: B008 - it is immutable
    gated: Collection[Track] = (),
) -> Seated:
    """Decide every wish, the first come first; the answers are in their order.

    An answer is the order as it is then, or the reason of the refusal, as the methods state
    them. `locked` are the candidates of the wishes, and the orders that they name, all of this
    session. Who is of a track in `gated` submits only when admitted by its waiting room.
    """
    wishes = await _with_plans(store, session, wishes)
    batch = _Batch(session, locked.candidates, dict(locked.orders), now, gated)
    drafts = [batch.draft(wish) for wish in wishes]
    claims = [
        (wish.candidate_id, draft)
        for wish, draft in zip(wishes, drafts, strict=True)
        if isinstance(draft, Claim)
    ]
    if not claims:
        return Seated([draft for draft in drafts if not isinstance(draft, Claim)], {}, True)
    # The candidates are locked: what they have cannot change until the end.
    people = {candidate_id for candidate_id, _ in claims}
    holdings = await store.seats.list_holdings(session.code, people)
    hopeless = _hopeless({claim for _, claim in claims}, seen.surely_full)
    hopeful = [each for each in claims if each[1] not in hopeless] if hopeless else claims
    is_twice = len(people) < len(claims)
    if not is_twice and is_plenty(hopeful, seen.likely, holdings, seen.spare):
        free, has_plenty = seen.likely, True
    else:
        keys = seat_keys(claim for _, claim in hopeful)
        free, has_plenty = await store.seats.lock(session.code, keys) if keys else {}, False
    allocation = Allocation(free, holdings, session.rules)
    deciding = _Deciding(allocation, hopeless, seen.surely_full, has_plenty)
    answers = [
        batch.answer(wish, draft, deciding) for wish, draft in zip(wishes, drafts, strict=True)
    ]
    if batch.moves:
        await store_orders(store, session.code, batch.moves, now)
    if batch.new:
        await store_new_orders(store, batch.new, holdings)
    if closed := [m.after.order_id for m in batch.moves if m.action is OrderAction.CLOSE]:
        await store.payment_orders.close_of(closed)
    return Seated(answers, ledger_changes(batch.moves, batch.new), not has_plenty)


class _Deciding(NamedTuple):
    """What claims are decided by."""

    allocation: Allocation[UUID]
    # Refused by what was free a moment ago, without the ledger.
    hopeless: Collection[Claim]
    surely_full: Mapping[SeatKey, int]
    has_plenty: bool

    def decision(self, candidate_id: UUID, claim: Claim) -> Decision:
        """The decision of the next claim."""
        if self.hopeless and claim in self.hopeless:
            return self.allocation.decide_hopeless(candidate_id, claim, self.surely_full)
        if self.has_plenty:
            return Granted(claim.county_codes[0])
        return self.allocation.decide(candidate_id, claim)


@dataclass
class _Batch:
    """A batch while it is decided: its orders as they are by now, what moved them, and new ones."""

    session: Session
    candidates: Mapping[UUID, Candidate]
    orders: dict[UUID, Order]
    now: datetime
    gated: Collection[Track] = ()
    moves: list[Move] = field(default_factory=list)
    new: list[Order] = field(default_factory=list)
    # What those claim who want the same and are alike, and on which terms they get it.
    claims: dict[object, Claim] = field(default_factory=dict)
    terms: dict[object, Terms] = field(default_factory=dict)

    def draft(self, wish: Wish) -> Claim | Order | DomainError:
        """What a wish claims, or its answer when no seat can change that."""
        candidate = self.candidates.get(wish.candidate_id)
        try:
            if isinstance(wish, Submission):
                return self._claim_of(wish, candidate)
            order = self.orders.get(wish.order_id)
            return claim_of(self.session, wish, candidate, order, self.now)
        except DomainError as refusal:
            return refusal

    def _claim_of(self, wish: Submission, candidate: Candidate | None) -> Claim:
        if candidate is None:
            raise NotYetKnown
        alike = wish.choice, wish.admitted_to, candidate.track, candidate.standing
        claim = self.claims.get(alike)
        if claim is None:
            claim = require_choice(self.session, candidate, wish.choice, self.now).claim
            if candidate.track in self.gated and wish.admitted_to is not candidate.track:
                raise needs_pass_error()
            self.claims[alike] = claim
        return claim

    def answer(
        self, wish: Wish, draft: Claim | Order | DomainError, deciding: _Deciding
    ) -> Order | DomainError:
        """The answer to the next wish."""
        if wish.order_id in self.orders:
            # Another wish of the batch may have moved the order.
            draft = self.draft(wish)
        if not isinstance(draft, Claim):
            return draft
        decision = deciding.decision(wish.candidate_id, draft)
        if not isinstance(decision, Granted):
            return _refusal(self.session, decision)
        if isinstance(wish, Submission):
            return self._submitted(wish, decision.county_code)
        order = self.orders[wish.order_id]
        move = granted(self.session, wish, order, decision.county_code)
        self.orders[wish.order_id] = move.after
        self.moves.append(move)
        return move.after

    def _submitted(self, wish: Submission, county_code: str) -> Order:
        assert wish.choice is not None
        same = wish.choice, county_code
        terms = self.terms.get(same)
        if terms is None:
            terms = self.terms[same] = terms_of(self.session, *same, self.now)
        order = Order(wish.order_id, wish.candidate_id, terms)
        self.new.append(order)
        return order


def _hopeless(claims: Collection[Claim], surely_full: Mapping[SeatKey, int]) -> Collection[Claim]:
    """Those that may be refused without the ledger: never one that gives up seats."""
    return {claim for claim in claims if claim.gives_up is None and is_hopeless(claim, surely_full)}


async def _with_plans(store: Store, session: Session, wishes: Sequence[Wish]) -> Sequence[Wish]:
    """Give submissions without a choice that of the saved plan, where there is one."""
    planned = [
        wish.candidate_id for wish in wishes if isinstance(wish, Submission) and wish.choice is None
    ]
    if not planned:
        return wishes
    plans = await store.candidates.list_plans(session.code, planned)
    return [
        wish._replace(choice=plan.choice)
        if isinstance(wish, Submission)
        and wish.choice is None
        and (plan := plans.get(wish.candidate_id))
        else wish
        for wish in wishes
    ]


def _refusal(session: Session, decision: Decision) -> DomainError:
    match decision:
        case SoldOut(full):
            return sold_out_error(session, full)
        case AlreadyEnrolled(county_code):
            return DomainError("ALREADY_ENROLLED", county_code=county_code)
        case OnlyOnce():
            return DomainError("SUBMISSION_ONLY_ONCE")
        case TooManyCourses(limit):
            return DomainError("TOO_MANY_COURSES", limit=limit)
        case _:
            raise AssertionError(decision)


def sold_out_error(session: Session, full: Sequence[tuple[str, Sequence[int]]]) -> DomainError:
    """SOLD_OUT with the full slots of every county, as the contract says.

    `full` is "510104:1,2;510105:1" then, `detail` "锦江区第1、2场；青羊区第1场".
    """
    counties = [(code, [str(slot) for slot in slots]) for code, slots in full]
    return DomainError(
        "SOLD_OUT",
        full=";".join(f"{code}:{','.join(slots)}" for code, slots in counties),
        detail="；".join(
            f"{session.county_by_code[code].name}第{'、'.join(slots)}场" for code, slots in counties
        ),
    )
