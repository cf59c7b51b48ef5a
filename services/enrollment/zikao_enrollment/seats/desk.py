"""Decides batches of what candidates want of seats, each batch in one transaction.

What takes seats and what gives them back go the same way (`zikao_kit.batch_desk`): the rows of
a county that everybody wants are locked once a batch.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from google.protobuf.message import Message
from zikao_kit import tracing
from zikao_kit.batch_desk import Answer, BatchDesk, Outdated
from zikao_kit.batcher import BatchMetrics
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.idempotency import RequestKey

from zikao_enrollment.commands.change_ledger import change_ledger
from zikao_enrollment.commands.seat_batch import Locked, Seated, Seen, seat_batch
from zikao_enrollment.converts.orders import OrderAnswers
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.wishes import Submission, Wish
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.store import Store
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.rooms import Rooms

SUBMISSIONS = BatchMetrics("enrollment", "submissions")
# While so many more seats are free than a batch takes it does not hold the rows that others wait
# for while it is decided and stored. What two other full batches take meanwhile: where there are
# more at a county's end, one is rolled back and decided again.
SPARE_SEATS = 2_000


class Entry(NamedTuple):
    """One wish: its request, and the message that its order is answered in.

    `session_code` is that of the order for one that names an order: None then.
    """

    key: RequestKey
    session_code: str | None
    wish: Wish
    response_type: Callable[..., Message]

    @property
    def is_of_plan(self) -> bool:
        """Whether it submits the saved plan."""
        return isinstance(self.wish, Submission) and self.wish.choice is None


class Taken(NamedTuple):
    """What a batch has locked, and then what it has decided: by session, with that's version."""

    locked: Locked
    seated: dict[str, tuple[Seated, int]]


class Desk(BatchDesk[Entry, Taken]):
    """Several processes may decide at once: rows are locked in one order everywhere."""

    def __init__(
        self,
        db: Database,
        boards: Boards,
        rooms: Rooms,
        clock: Clock,
        *,
        spare_seats: int = SPARE_SEATS,
    ) -> None:
        super().__init__(db, SCHEMA)
        self._boards = boards
        self._rooms = rooms
        self._clock = clock
        self._spare_seats = spare_seats

    def suspects(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """All but those who submit and have had no answer, as far as the board knows."""
        if not self._boards.is_fresh():
            return entries
        answered = self._boards.answered
        return [
            entry
            for entry in entries
            if entry.key.actor in answered or not isinstance(entry.wish, Submission)
        ]

    async def refresh(self) -> None:
        """A session was applied again after the board was read."""
        await self._boards.refresh()

    async def lock(self, tx: Transaction, entries: Sequence[Entry]) -> Taken:
        """The orders and then the candidates of the entries, those that exist."""
        store = Store(tx)
        wishes = [entry.wish for entry in entries]
        named = {wish.order_id for wish in wishes if not isinstance(wish, Submission)}
        orders = await store.orders.lock(named) if named else ()
        candidates = await store.candidates.lock({wish.candidate_id for wish in wishes})
        return Taken(Locked({order.order_id: order for order in orders}, candidates), {})

    async def decide_fresh(
        self, tx: Transaction, entries: Sequence[Entry], locked: Taken
    ) -> Sequence[Answer]:
        """Seat each session's candidates in turn."""
        groups = _by_session(entries, locked.locked.orders)
        if len(groups) == 1:
            (session_code,) = groups
            # Of several, whose rows are to be locked in turn, none may be left for the end.
            return await self._decide(tx, session_code, entries, locked, may_be_last=True)
        answers: dict[int, Answer] = {}
        for session_code, places in groups.items():
            group = [entries[place] for place in places]
            decided = await self._decide(tx, session_code, group, locked, may_be_last=False)
            answers.update(zip(places, decided, strict=True))
        return [answers[place] for place in range(len(entries))]

    async def finish(self, tx: Transaction, locked: Taken) -> None:
        """Change the ledger, then compare sessions' versions: whoever changes one waits by now."""
        store = Store(tx)
        for session_code, (seated, version) in locked.seated.items():
            left = await change_ledger(store, session_code, seated)
            self._boards.notice(session_code, left)
            if any(count < 0 for count in left.values()):
                raise Outdated  # others have taken what seemed plenty
            if await store.sessions.version(session_code) != version:
                raise Outdated

    def _seen(self, session_code: str, *, may_be_last: bool) -> Seen:
        if not self._boards.is_fresh():
            return Seen()
        likely = self._boards.likely_free(session_code) if may_be_last else {}
        full = self._boards.current.free.get(session_code, {})
        return Seen(full, likely, self._spare_seats)

    async def _decide(
        self,
        tx: Transaction,
        session_code: str,
        entries: Sequence[Entry],
        locked: Taken,
        *,
        may_be_last: bool,
    ) -> Sequence[Answer]:
        if not session_code:
            return [DomainError(NOT_FOUND)] * len(entries)
        seen = self._seen(session_code, may_be_last=may_be_last)
        return await self._seat(tx, session_code, entries, locked, seen)

    async def _seat(
        self,
        tx: Transaction,
        session_code: str,
        entries: Sequence[Entry],
        taken: Taken,
        seen: Seen,
    ) -> Sequence[Answer]:
        board = self._boards.current
        try:
            applied = board.require(session_code)
        except DomainError as unknown:
            if any(entry.session_code is None for entry in entries):
                raise Outdated from None  # there are orders: it was applied elsewhere just now
            return [unknown] * len(entries)
        store, now = Store(tx), self._clock.now()
        seated = await seat_batch(
            store,
            applied.session,
            taken.locked,
            [entry.wish for entry in entries],
            now,
            seen=seen,
            gated=self._rooms.gated(applied.session, now),
        )
        taken.seated[session_code] = seated, applied.version
        answers = _answers(entries, seated)
        granted = [e for e, each in zip(entries, answers, strict=True) if isinstance(each, bytes)]
        # Before the commit: who repeats the request meanwhile is not refused from memory.
        self._boards.answered.update([entry.key.actor for entry in granted])
        if tracing.is_on():
            await _keep_traces(store, granted)
        return answers


def _answers(entries: Sequence[Entry], seated: Seated) -> Sequence[Answer]:
    """In the order of entries, as they go over the wire and into the store of answers."""
    found: dict[int, Answer] = {}
    made = OrderAnswers()
    for share, places in seated.shares:
        # Of plans and of choices: nearly always it is one kind.
        for kind in {entries[place].response_type for place in places}:
            answers = zip(places, made.of_all(share, kind), strict=True)
            found.update((at, each) for at, each in answers if entries[at].response_type is kind)
    for place, outcome in seated.answers.items():
        found[place] = (
            made.of(outcome, entries[place].response_type)
            if isinstance(outcome, Order)
            else outcome
        )
    return [found[place] for place in range(len(entries))]


async def _keep_traces(store: Store, granted: Sequence[Entry]) -> None:
    places = {
        entry.wish.order_id: place
        for entry in granted
        if (place := tracing.member_trace(entry.key))
    }
    if places:
        await store.orders.keep_traces(places)


def _by_session(entries: Sequence[Entry], orders: Mapping[UUID, Order]) -> dict[str, list[int]]:
    """The places of entries by session, in its order; under "" those that name no own order."""
    codes = {entry.session_code for entry in entries}
    if len(codes) == 1 and (code := codes.pop()) is not None:
        return {code: [*range(len(entries))]}
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, entry in enumerate(entries):
        groups[_session_of(entry, orders)].append(place)
    return dict(sorted(groups.items()))


def _session_of(entry: Entry, orders: Mapping[UUID, Order]) -> str:
    if entry.session_code is not None:
        return entry.session_code
    order = orders.get(entry.wish.order_id)
    own = order is not None and order.candidate_id == entry.wish.candidate_id
    return order.session_code if order is not None and own else ""
