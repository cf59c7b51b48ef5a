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

from zikao_enrollment.commands.store_moves import store_orders
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
from zikao_enrollment.domain.orders import Candidate, Move, Order, ledger_changes
from zikao_enrollment.domain.timetable import Session, Track
from zikao_enrollment.domain.waiting import needs_pass_error
from zikao_enrollment.domain.wishes import Submission, Wish, claim_of, granted
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
    people = {
        wish.candidate_id
        for wish, draft in zip(wishes, drafts, strict=True)
        if isinstance(draft, Claim)
    }
    if not people:
        return Seated([draft for draft in drafts if not isinstance(draft, Claim)], {}, True)
    # The candidates are locked: what they have cannot change until the end.
    holdings = await store.seats.list_holdings(session.code, people)
    hopeless = _hopeless(drafts, seen.surely_full)
    hopeful = [
        draft
        for draft, no in zip(drafts, hopeless, strict=True)
        if not no and isinstance(draft, Claim)
    ]
    is_locked = not (seen.likely and is_plenty(hopeful, seen.likely, holdings, seen.spare))
    free = seen.likely
    if is_locked:
        free = await store.seats.lock(session.code, seat_keys(hopeful)) if hopeful else {}
    allocation = Allocation(free, holdings, session.rules)
    answers = [
        batch.decide(wish, draft, allocation, seen.surely_full if no else None)
        for wish, draft, no in zip(wishes, drafts, hopeless, strict=True)
    ]
    if batch.moves:
        await store_orders(store, session.code, batch.moves, now)
    if closed := [m.after.order_id for m in batch.moves if m.action is OrderAction.CLOSE]:
        await store.payment_orders.close_of(closed)
    return Seated(answers, ledger_changes(batch.moves), is_locked)


@dataclass
class _Batch:
    """A batch while it is decided: its orders as they are by now, and what moved them."""

    session: Session
    candidates: Mapping[UUID, Candidate]
    orders: dict[UUID, Order]
    now: datetime
    gated: Collection[Track] = ()
    moves: list[Move] = field(default_factory=list)

    def draft(self, wish: Wish) -> Claim | Order | DomainError:
        """What a wish claims, or its answer when no seat can change that."""
        candidate, order = self.candidates.get(wish.candidate_id), self.orders.get(wish.order_id)
        try:
            claim = claim_of(self.session, wish, candidate, order, self.now)
        except DomainError as refusal:
            return refusal
        if isinstance(wish, Submission) and candidate is not None:
            track = candidate.track
            if track in self.gated and wish.admitted_to is not track:
                return needs_pass_error()
        return claim

    def decide(
        self,
        wish: Wish,
        draft: Claim | Order | DomainError,
        allocation: Allocation,
        surely_full: Mapping[SeatKey, int] | None,
    ) -> Order | DomainError:
        """The answer to the next wish; `surely_full` is given for one that is hopeless by it."""
        if wish.order_id in self.orders:
            # Another wish of the batch may have moved the order.
            draft = self.draft(wish)
        if not isinstance(draft, Claim):
            return draft
        if surely_full is not None:
            decision = allocation.decide_hopeless(draft, surely_full)
        else:
            decision = allocation.decide(draft)
        if not isinstance(decision, Granted):
            return _refusal(self.session, decision)
        order, county_code = self.orders.get(wish.order_id), decision.county_code
        move = granted(self.session, wish, order, county_code, self.now)
        if order is not None:
            self.orders[wish.order_id] = move.after
        self.moves.append(move)
        return move.after


def _hopeless(drafts: Sequence[object], surely_full: Mapping[SeatKey, int]) -> list[bool]:
    """Whether each claim may be refused without the ledger; one that gives up seats never is."""
    verdicts: dict[object, bool] = {}
    found = []
    for draft in drafts:
        if not isinstance(draft, Claim) or draft.gives_up is not None:
            found.append(False)
            continue
        wanted = draft.county_codes, draft.slots
        if wanted not in verdicts:
            verdicts[wanted] = is_hopeless(draft, surely_full)
        found.append(verdicts[wanted])
    return found


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
