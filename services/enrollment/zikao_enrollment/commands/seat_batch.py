"""Takes, changes and gives back the seats of many candidates in one transaction (DESIGN 4).

Decided here on locked rows rather than in one SQL statement: the locks are the same, and the
decision is a pure function that can be tested by itself (`domain.allocation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    Holding,
    OnlyOnce,
    SeatChange,
    SeatKey,
    SoldOut,
    TooManyCourses,
    decide,
    is_hopeless,
    is_plenty,
    seat_keys,
)
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.order_states import OrderAction
from zikao_enrollment.domain.orders import (
    Move,
    NotYetKnown,
    Order,
    Share,
    Standing,
    Terms,
    ledger_changes,
    shares,
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
    candidates: Mapping[UUID, Standing]


class Seated(NamedTuple):
    """What was decided; the ledger changes by it afterwards (`change_ledger`).

    `shares` are new orders on the same terms, each with the places of their wishes in the batch;
    `answers` those of all other wishes by place. `is_locked` is False when there was so much room
    that the ledger's rows were not needed to decide.
    """

    answers: Mapping[int, Order | DomainError]
    changes: Mapping[SeatKey, SeatChange]
    is_locked: bool = True
    shares: Sequence[tuple[Share, Sequence[int]]] = ()


class Seen(NamedTuple):
    """Free seats as they were seen less than a second ago.

    A submission that finds no county in `surely_full` is refused without waiting for the ledger
    rows that everybody wants; those for which there is plenty in `likely` are seated without.
    """

    surely_full: Mapping[SeatKey, int] = MappingProxyType({})
    likely: Mapping[SeatKey, int] = MappingProxyType({})
    spare: int = 0


class _Alike(NamedTuple):
    """Submissions that want the same, of candidates who are alike: their places in the batch."""

    choice: Choice
    claim: Claim
    places: list[int]


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
    """Decide every wish, the first come first.

    An answer is the order as it is then, or the reason of the refusal, as the methods state
    them. `locked` are the candidates of the wishes, and the orders that they name, all of this
    session. Who is of a track in `gated` submits only when admitted by its waiting room.
    """
    wishes = await _with_plans(store, session, wishes)
    batch = _Batch(session, locked.candidates, dict(locked.orders), wishes, now, gated)
    batch.sort_out()
    claiming = [wishes[place].candidate_id for place in batch.claiming()]
    if not claiming:
        return Seated(batch.settled(), {})
    # The candidates are locked: what they have cannot change until the end.
    people = set(claiming)
    holdings = await store.seats.list_holdings(session.code, people)
    claims = batch.claims()
    hopeless = _hopeless(claims, seen.surely_full)
    hopeful = {claim: count for claim, count in claims.items() if claim not in hopeless}
    is_twice = len(people) < len(claiming)
    if not is_twice and is_plenty(hopeful, seen.likely, holdings, seen.spare):
        return await _seat_all(store, batch, hopeless, seen.surely_full)
    keys = seat_keys(hopeful)
    free = await store.seats.lock(session.code, keys) if keys else {}
    deciding = _Deciding(Allocation(free, holdings, session.rules), hopeless, seen.surely_full)
    return await _seat_in_turn(store, batch, deciding, holdings)


async def _seat_all(
    store: Store, batch: _Batch, hopeless: Collection[Claim], surely_full: Mapping[SeatKey, int]
) -> Seated:
    """Give all others what they like best: nobody has seats, and there is plenty."""
    session = batch.session
    answers, granted = batch.settled(), []
    for group in batch.alike:
        if group.claim in hopeless:
            decision = decide(group.claim, surely_full, None, session.rules)
            # One for each: they are raised at different callers.
            answers.update((place, _refusal(session, decision)) for place in group.places)
        else:
            granted.append((batch.share_of(group), group.places))
    new = [share for share, _ in granted]
    if new:
        await store.orders.insert_held(new, OrderAction.SUBMIT, ())
    return Seated(answers, ledger_changes((), new), is_locked=False, shares=granted)


async def _seat_in_turn(
    store: Store, batch: _Batch, deciding: _Deciding, holdings: Mapping[UUID, Holding]
) -> Seated:
    """Decide one after the other, each by what those before it have left."""
    code = batch.session.code
    answers = batch.answers(deciding)
    if batch.moves:
        await store_orders(store, code, batch.moves, batch.now)
    if batch.new:
        await store_new_orders(store, batch.new, holdings)
    if closed := [m.after.order_id for m in batch.moves if m.action is OrderAction.CLOSE]:
        await store.payment_orders.close_of(closed)
    return Seated(answers, ledger_changes(batch.moves, shares(batch.new)))


class _Deciding(NamedTuple):
    """What claims are decided by."""

    allocation: Allocation[UUID]
    # Refused by what was free a moment ago, without the ledger.
    hopeless: Collection[Claim]
    surely_full: Mapping[SeatKey, int]

    def decision(self, candidate_id: UUID, claim: Claim) -> Decision:
        """The decision of the next claim."""
        if self.hopeless and claim in self.hopeless:
            return self.allocation.decide_hopeless(candidate_id, claim, self.surely_full)
        return self.allocation.decide(candidate_id, claim)


@dataclass
class _Batch:
    """A batch while it is decided: its orders as they are by now, what moved them, and new ones."""

    session: Session
    candidates: Mapping[UUID, Standing]
    orders: dict[UUID, Order]
    wishes: Sequence[Wish]
    now: datetime
    gated: Collection[Track] = ()
    # What the wishes claim: submissions together, by place what others claim or are answered.
    alike: list[_Alike] = field(default_factory=list)
    drafts: dict[int, Claim | Order | DomainError] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    new: list[Order] = field(default_factory=list)
    # On which terms those get it who want the same, by the choice's identity and the county.
    terms: dict[tuple[int, str], Terms] = field(default_factory=dict)

    def sort_out(self) -> None:
        """Find what each wish claims, or its answer when no seat can change that."""
        # By identity, as everywhere in here: equal choices of a rush are the same ones, and to
        # hash them takes longer than all else that is done to tell them apart.
        groups: dict[tuple[int, Track | None, int], _Alike] = {}
        for place, wish in enumerate(self.wishes):
            if not isinstance(wish, Submission):
                self.drafts[place] = self.draft(wish)
                continue
            standing = self.candidates.get(wish.candidate_id)
            name = id(wish.choice), wish.admitted_to, id(standing)
            group = groups.get(name)
            if group is None:
                claim = self.draft(wish)
                if not isinstance(claim, Claim) or wish.choice is None:
                    self.drafts[place] = claim
                    continue
                group = groups[name] = _Alike(wish.choice, claim, [])
                self.alike.append(group)
            group.places.append(place)

    def claiming(self) -> Iterable[int]:
        """The places of all who claim seats."""
        for group in self.alike:
            yield from group.places
        yield from (place for place, each in self.drafts.items() if isinstance(each, Claim))

    def claims(self) -> Mapping[Claim, int]:
        """What is claimed, and by how many."""
        found = Counter(each for each in self.drafts.values() if isinstance(each, Claim))
        for group in self.alike:
            found[group.claim] += len(group.places)
        return found

    def settled(self) -> dict[int, Order | DomainError]:
        """The answers, by place, that no seat can change."""
        return {at: each for at, each in self.drafts.items() if not isinstance(each, Claim)}

    def draft(self, wish: Wish) -> Claim | Order | DomainError:
        """What a wish claims by now."""
        candidate = self.candidates.get(wish.candidate_id)
        try:
            if isinstance(wish, Submission):
                return self._claim_of(wish, candidate)
            order = self.orders.get(wish.order_id)
            return claim_of(self.session, wish, candidate, order, self.now)
        except DomainError as refusal:
            return refusal

    def _claim_of(self, wish: Submission, candidate: Standing | None) -> Claim:
        if candidate is None:
            raise NotYetKnown
        claim = require_choice(self.session, candidate, wish.choice, self.now).claim
        if candidate.track in self.gated and wish.admitted_to is not candidate.track:
            raise needs_pass_error()
        return claim

    def share_of(self, group: _Alike) -> Share:
        """The new orders of those who are granted what they like best."""
        terms = self._terms_of(group.choice, group.claim.county_codes[0])
        wishes = [self.wishes[place] for place in group.places]
        return Share(terms, [w.order_id for w in wishes], [w.candidate_id for w in wishes])

    def answers(self, deciding: _Deciding) -> dict[int, Order | DomainError]:
        """All answers by place, decided in the order of arrival."""
        drafts = dict(self.drafts)
        for group in self.alike:
            drafts.update(dict.fromkeys(group.places, group.claim))
        return {
            place: self._answer(wish, drafts[place], deciding)
            for place, wish in enumerate(self.wishes)
        }

    def _answer(
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
        terms = self._terms_of(wish.choice, county_code)
        order = Order(wish.order_id, wish.candidate_id, terms)
        self.new.append(order)
        return order

    def _terms_of(self, choice: Choice, county_code: str) -> Terms:
        same = id(choice), county_code
        terms = self.terms.get(same)
        if terms is None:
            terms = self.terms[same] = terms_of(self.session, choice, county_code, self.now)
        return terms


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
