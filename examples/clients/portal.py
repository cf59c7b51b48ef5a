"""A portal: its candidates save plans, wait for their turn, take seats and pay.

    portal.py --session 22.1 candidates.json

with [{"login": "...", "password": "...", "courses": ["00107"], "counties": ["510104"]}, ...].
Each candidate has a login of their own; they share the certificate `portal`, one stream of places
and one of submissions.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connecting import client, parser
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import place_stream_service_pb2 as places
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.enrollment.v1 import types_pb2 as types
from zikao.enrollment.v1 import waiting_room_service_pb2 as waiting
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao_client import CallFailed, Login, ZikaoClient, following, new_request_id, patiently

AT_ONCE = 200  # most in one message, by the contract
ASK_SECONDS = 1.0
MAY_SUBMIT = (waiting.PLACE_STATE_ADMITTED, waiting.PLACE_STATE_OPEN)
NO_PASS = ("ADMISSION_PASS_NEEDED", "ADMISSION_PASS_INVALID")
NOT_NOW = ("OVERLOADED", "UNAVAILABLE", "DEADLINE_TOO_SHORT")
AT_AN_END = (types.ORDER_STATE_CONFIRMED, types.ORDER_STATE_RELEASED)


@dataclass
class Candidate:
    """One candidate, and how far they are."""

    name: str
    choice: enrollment.EnrollmentChoice
    login: Login
    admission_pass: str = ""
    # One id for the submission, whatever becomes of streams: seats are never taken twice.
    request_id: str = field(default_factory=new_request_id)
    order: types.Order | None = None
    refused: str = ""


class Portal:
    """Brings candidates to their seats."""

    def __init__(self, zikao: ZikaoClient, session: str, people: Sequence[Candidate]) -> None:
        self._zikao = zikao
        self._session = session
        self._people = people
        self._waiting: dict[str, Candidate] = {}
        self._somebody_waits = asyncio.Event()
        self._turns: asyncio.Queue[Candidate] = asyncio.Queue()

    async def save_plan(self, person: Candidate) -> None:
        """Days before the opening; one answer has all that is wrong with it."""
        request = enrollment.SavePlanRequest(
            request_id=new_request_id(), session_code=self._session, choice=person.choice
        )
        try:
            answer = await person.login.call(
                lambda me: self._zikao.enrollment.SavePlan(request, metadata=me)
            )
        except CallFailed as failed:
            for problem in failed.fields:
                say(f"{person.name}: {problem.field}: {problem.description}")
            raise
        say(f"{person.name} has a plan of {answer.fee_fen / 100:.2f} yuan")

    async def join(self, person: Candidate) -> None:
        """A place in the line; the same one however often it is asked for."""
        request = waiting.JoinWaitingRoomRequest(session_code=self._session)
        await person.login.call(
            lambda me: self._zikao.waiting_room.JoinWaitingRoom(request, metadata=me)
        )
        self._waiting[person.name] = person
        self._somebody_waits.set()

    async def take_seats(self) -> None:
        """Submit for whoever is let in; those whose turn comes at once share a stream."""
        watcher = asyncio.create_task(self._watch_places())
        try:
            while any(not person.order and not person.refused for person in self._people):
                turn = asyncio.create_task(self._turns.get())
                await asyncio.wait([turn, watcher], return_when=asyncio.FIRST_COMPLETED)
                if not turn.done():
                    await watcher  # it has failed, and says why
                crowd = [await turn]
                while not self._turns.empty():
                    crowd.append(self._turns.get_nowait())
                await self._submit(crowd)
        finally:
            watcher.cancel()

    async def _watch_places(self) -> None:
        """One stream for all who wait. Who was told the last is off it; others are named again."""
        while await self._somebody_waits.wait():
            async for message in following(self._subscribe):
                for told in message.places:
                    await self._be_told(self._waiting[told.watch_id], told)
                if not self._waiting:
                    self._somebody_waits.clear()
                    break

    def _subscribe(self) -> Any:
        return self._zikao.places.WatchPlaces(
            places.WatchPlacesRequest(
                session_code=self._session,
                candidates=[
                    places.WatchedCandidate(
                        watch_id=person.name, access_token=person.login.access_token
                    )
                    for person in block
                ],
            )
            for block in blocks(list(self._waiting.values()))
        )

    async def _be_told(self, person: Candidate, told: places.WatchedPlace) -> None:
        if told.error.reason == "TOKEN_EXPIRED":
            await person.login.refresh(person.login.access_token)
        elif told.error.reason == "NOT_FOUND" or told.place.state == waiting.PLACE_STATE_LAPSED:
            await self.join(person)
        elif told.HasField("error") and told.error.reason not in NOT_NOW:
            person.refused = told.error.message_zh
            del self._waiting[person.name]
        elif told.place.state in MAY_SUBMIT:
            person.admission_pass = told.place.admission_pass
            del self._waiting[person.name]
            self._turns.put_nowait(person)

    async def _submit(self, crowd: Sequence[Candidate]) -> None:
        """Until each is answered: a stream that breaks is opened again for those who are not."""
        left = {person.request_id: person for person in crowd}
        while left:
            pause = 0.0
            try:
                messages = self._submissions(list(left.values()))
                async for message in self._zikao.portals.SubmitEnrollments(messages):
                    for result in message.results:
                        pause = max(pause, await self._take(left, result))
            except Exception as error:
                say(f"the stream has ended before {len(left)} were answered: {error!r}")
                pause = ASK_SECONDS
            await asyncio.sleep(pause)

    def _submissions(self, people: list[Candidate]) -> Iterator[portal.SubmitEnrollmentsRequest]:
        for block in blocks(people):
            yield portal.SubmitEnrollmentsRequest(
                submissions=[
                    portal.Submission(
                        access_token=person.login.access_token,
                        admission_pass=person.admission_pass,
                        plan=enrollment.SubmitPlanRequest(
                            request_id=person.request_id, session_code=self._session
                        ),
                    )
                    for person in block
                ]
            )

    async def _take(self, left: dict[str, Candidate], result: portal.SubmissionResult) -> float:
        """Note one answer; how many seconds to wait before those that are left are sent again."""
        person, error = left[result.request_id], result.error
        if error.reason == "TOKEN_EXPIRED":
            await person.login.refresh(person.login.access_token)
            return 0.0
        if error.reason in NOT_NOW:  # not before the server wants it, with the same request id
            return error.retry_after.ToTimedelta().total_seconds() or ASK_SECONDS
        del left[result.request_id]
        if error.reason in NO_PASS:  # the turn has passed: behind all others
            await self.join(person)
        elif result.HasField("error"):
            person.refused = error.message_zh
            say(f"{person.name} has no seats: {person.refused}")
        else:
            person.order = result.plan.order
            say(f"{person.name} has seats in {person.order.county_code}")
        return 0.0

    async def pay(self, person: Candidate) -> None:
        """Show the code, then look until the platform's word has come or the hold has ended."""
        assert person.order is not None, "who has seats pays"
        request = enrollment.CreatePaymentRequest(
            request_id=new_request_id(), order_id=person.order.order_id
        )
        made = await person.login.call(
            lambda me: self._zikao.enrollment.CreatePayment(request, metadata=me)
        )
        say(f"{person.name} pays {made.amount_fen} fen with code {made.payment_code}")
        look = enrollment.ListOrdersRequest(session_code=self._session)
        while person.order.state not in AT_AN_END:
            await asyncio.sleep(ASK_SECONDS)
            found = await person.login.call(
                lambda me: self._zikao.enrollment.ListOrders(look, metadata=me)
            )
            person.order = next(o for o in found.orders if o.order_id == request.order_id)
        say(f"{person.name}: {types.OrderState.Name(person.order.state)}")


async def log_in(zikao: ZikaoClient, stated: dict[str, Any]) -> Candidate:
    """A wrong password is refused at once: each attempt counts against a limit."""
    request = accounts.LogInRequest(login_name=stated["login"], password=stated["password"])
    answer = await patiently(lambda: zikao.accounts.LogIn(request))
    choice = enrollment.EnrollmentChoice(
        course_codes=stated["courses"], county_codes=stated["counties"]
    )
    return Candidate(stated["login"], choice, Login(zikao.logins, answer.tokens))


def blocks(people: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """As many at once as a message takes."""
    return (people[at : at + AT_ONCE] for at in range(0, len(people), AT_ONCE))


def say(text: str) -> None:
    """Tell whoever looks."""
    print(text, flush=True)


async def main() -> int:
    """All of it; 1 when somebody has got no seats."""
    options = parser(__doc__ or "")
    options.add_argument("--session", required=True)
    options.add_argument("candidates", type=Path)
    asked = options.parse_args()
    stated = json.loads(asked.candidates.read_text("utf-8"))
    async with client(asked, "portal") as zikao:
        people = [await log_in(zikao, each) for each in stated]
        portal_of_ours = Portal(zikao, asked.session, people)
        for person in people:
            await portal_of_ours.save_plan(person)
            await portal_of_ours.join(person)
        say(f"{len(people)} wait")
        await portal_of_ours.take_seats()
        enrolled = [person for person in people if person.order]
        await asyncio.gather(*map(portal_of_ours.pay, enrolled))
    return 0 if len(enrolled) == len(people) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
