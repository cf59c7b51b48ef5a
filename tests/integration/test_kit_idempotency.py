"""Request ids: the first answer for every repetition, the effect once, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from types import NoneType
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from support.probe_database import SCHEMA, count_entries, open_account, probe_database
from support.service_databases import MakeDatabase
from zikao.registration.v1.account_service_pb2 import CreateAccountRequest
from zikao.test.v1.probe_pb2 import CollectResponse, ConstrainedRequest
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_kit.context import acting_as
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import REQUEST_ID_REUSED, DomainError
from zikao_kit.idempotency import (
    Forgetting,
    IdTaken,
    RequestKey,
    claim,
    forget,
    key_of,
    recall,
    recall_many,
    remember_many,
    run_once,
)
from zikao_kit.tokens import Actor

PORTAL = Actor(subject="", role="anonymous", caller="portal")
CANDIDATE = Actor(subject="candidate", role="candidate", caller="portal")
Work = Callable[[Transaction], Awaitable[CollectResponse]]


@pytest.fixture(autouse=True)
def _somebody_calls() -> Iterator[None]:
    with acting_as(CANDIDATE):
        yield


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A probe database of its own."""
    return await make_database("probe")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A pool on it, with the account that entries belong to."""
    async with probe_database(dsn, pool_max=20) as opened:
        await open_account(opened, "a")
        yield opened


def request_with(courses: int = 1, request_id: str | None = None) -> ConstrainedRequest:
    """A mutation's request."""
    return ConstrainedRequest(request_id=request_id or str(uuid4()), courses=courses)


async def add_entry(tx: Transaction) -> CollectResponse:
    """Have an effect, and answer with how many there are now."""
    await tx.execute("insert_entry", "a", 1)
    return CollectResponse(count=await tx.fetchval("count_entries"))


async def submit(database: Database, request: Message, work: Work = add_entry) -> int:
    """Do what an RPC of a service does; return the count of its answer."""
    answer = await run_once(database, request, CollectResponse, work, schema=SCHEMA)
    return answer.count


async def refusal(call: Awaitable[object]) -> str:
    """Return the reason with which a call is refused."""
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value.reason


async def test_a_repetition_gets_the_first_answer(database: Database) -> None:
    """The same id with the same body has its effect once; a new id has its own."""
    request = request_with()
    assert [await submit(database, request) for _ in range(3)] == [1, 1, 1]
    assert await submit(database, request_with()) == 2


async def test_twenty_callers_at_once_have_one_effect(database: Database) -> None:
    """Repetitions that come while the first runs wait for it and get its answer."""
    request = request_with()
    answers = await asyncio.gather(*(submit(database, request) for _ in range(20)))
    assert answers == [1] * 20
    assert await count_entries(database) == 1


async def test_another_body_or_method_is_refused(database: Database) -> None:
    """An id belongs to one request: anything else under it is REQUEST_ID_REUSED, without effect."""
    first = request_with(courses=1)
    await submit(database, first)
    other_body = request_with(courses=2, request_id=first.request_id)
    other_method = CreateAccountRequest(request_id=first.request_id)
    assert await refusal(submit(database, other_body)) == REQUEST_ID_REUSED
    assert await refusal(submit(database, other_method)) == REQUEST_ID_REUSED
    assert await count_entries(database) == 1


async def test_ids_of_different_callers_are_apart(database: Database) -> None:
    """Nobody can learn another's answer, or block another's id, by guessing it."""
    request = request_with()
    await submit(database, request)
    with acting_as(PORTAL):
        assert await submit(database, request) == 2


async def test_a_password_is_not_part_of_the_body() -> None:
    """The stored digest tells a thief nothing about passwords; all other fields count."""
    request = CreateAccountRequest(request_id=str(uuid4()), login_name="wang", password="first")
    key = key_of(request)
    request.password = "second"
    assert key_of(request) == key
    assert request.password == "second"
    request.login_name = "li"
    assert key_of(request) != key


async def test_an_error_is_not_remembered(database: Database) -> None:
    """A refused request leaves nothing, and is judged anew when it comes again."""

    async def refuse(tx: Transaction) -> CollectResponse:
        await add_entry(tx)
        raise DomainError("PROBE_REFUSED")

    request = request_with()
    assert await refusal(submit(database, request, refuse)) == "PROBE_REFUSED"
    assert await count_entries(database) == 0
    assert await submit(database, request) == 1


@pytest.mark.parametrize("moment", [Moment.AFTER, Moment.DURING])
async def test_a_commit_whose_answer_is_lost_is_found(
    dsn: str, database: Database, moment: Moment
) -> None:
    """The connection is lost at COMMIT but it happens: the caller gets its answer, once."""
    async with CuttingProxy(dsn) as proxy, probe_database(proxy.dsn) as cut_off:
        proxy.cut_at_commit(moment)
        request = request_with()
        assert await submit(cut_off, request) == 1
        assert await submit(cut_off, request) == 1
    assert proxy.cuts == 1
    assert await count_entries(database) == 1


async def test_a_commit_that_never_arrived_is_known_not_to_have_happened(
    dsn: str, database: Database
) -> None:
    """The connection is lost before COMMIT: UNAVAILABLE, no effect, and a repetition has it."""
    async with CuttingProxy(dsn) as proxy, probe_database(proxy.dsn) as cut_off:
        proxy.cut_at_commit(Moment.BEFORE)
        request = request_with()
        with pytest.raises(DatabaseUnavailable):
            await submit(cut_off, request)
        assert (proxy.cuts, await count_entries(database)) == (1, 0)
        assert await submit(cut_off, request) == 1
    assert await count_entries(database) == 1


async def test_a_batch_recalls_what_was_answered(database: Database) -> None:
    """recall_many gives the answers that are there, an error for reused ids, nothing for new."""
    keys = [key_of(request_with()) for _ in range(3)]
    async with database.transaction() as tx:
        assert await recall_many(tx, SCHEMA, keys) == {}
        await remember_many(tx, SCHEMA, keys[:2], [b"one", b"two"])
    reused = RequestKey(keys[1].actor, keys[1].request_id, keys[1].method, b"another body")
    async with database.read() as tx:
        answers = await recall_many(tx, SCHEMA, [keys[0], reused, keys[2]])
    assert answers.pop(keys[0]) == b"one"
    error = answers.pop(reused)
    assert isinstance(error, DomainError)
    assert error.reason == REQUEST_ID_REUSED
    assert answers == {}


async def test_of_two_batches_with_the_same_ids_one_is_stored(database: Database) -> None:
    """They come in opposite order and do not deadlock: the other hears that ids are taken."""

    async def batch(ordered: list[RequestKey], answer: bytes) -> None:
        async with database.transaction() as tx:
            await remember_many(tx, SCHEMA, ordered, [answer] * len(ordered))

    for _ in range(3):
        keys = [key_of(request_with()) for _ in range(2000)]
        both = batch(keys, b"one"), batch(keys[::-1], b"other")
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert {type(each) for each in outcomes} == {IdTaken, NoneType}
        async with database.read() as tx:
            answers = await recall_many(tx, SCHEMA, keys)
        assert answers == dict.fromkeys(keys, b"one" if outcomes[0] is None else b"other")


async def test_a_batch_of_which_one_id_is_taken_stores_nothing(database: Database) -> None:
    """Nothing of the transaction stays: whoever decided it decides it again."""
    keys = [key_of(request_with()) for _ in range(3)]
    async with database.transaction() as tx:
        await remember_many(tx, SCHEMA, [keys[1]], [b"before"])
    with pytest.raises(IdTaken):
        async with database.transaction() as tx:
            await remember_many(tx, SCHEMA, keys, [b"after"] * len(keys))
    async with database.read() as tx:
        assert await recall_many(tx, SCHEMA, keys) == {keys[1]: b"before"}


async def test_old_answers_are_forgotten_in_parts(database: Database) -> None:
    """forget deletes what was older than told, the oldest first and not more than told."""
    requests = [request_with() for _ in range(3)]
    for request in requests:
        await submit(database, request)
    async with database.transaction() as tx:
        assert await forget(tx, SCHEMA, timedelta(days=1), 10) == 0
        assert await forget(tx, SCHEMA, timedelta(days=-1), 2) == 2
    async with database.read() as tx:
        left = await recall_many(tx, SCHEMA, [key_of(request) for request in requests])
    assert list(left) == [key_of(requests[2])]


async def test_old_answers_are_forgotten_in_the_background(database: Database) -> None:
    """What is older than told goes, whatever else is stored stays."""
    request = request_with()
    await submit(database, request)
    assert not await Forgetting(database, SCHEMA).work()
    async with database.read() as tx:
        assert await recall_many(tx, SCHEMA, [key_of(request)])
    assert not await Forgetting(database, SCHEMA, timedelta(days=-1)).work()
    async with database.read() as tx:
        assert not await recall_many(tx, SCHEMA, [key_of(request)])


async def test_an_answer_forgotten_while_it_is_asked_for_is_claimed_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is deleted between claim and recall never leads to an effect without an answer."""
    request = request_with()
    await submit(database, request)
    forgotten = asyncio.Event()

    async def forgetting(tx: Transaction, schema: str, key: RequestKey) -> bytes | None:
        if not forgotten.is_set():
            async with database.transaction() as other:
                await forget(other, SCHEMA, timedelta(days=-1), 10)
            forgotten.set()
        return await recall(tx, schema, key)

    monkeypatch.setattr("zikao_kit.idempotency.recall", forgetting)
    assert await submit(database, request) == 2
    assert await submit(database, request) == 2
    async with database.transaction() as tx:
        assert await claim(tx, SCHEMA, key_of(request)) is not None
