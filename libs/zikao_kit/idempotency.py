"""The same request id with the same body gets the first answer, and has its effect once.

    async def SubmitX(self, request, context):
        return await run_once(
            self._db, request, SubmitXResponse, lambda tx: submit_x(Store(tx), request),
            schema="enrollment")

Answers are stored as they go over the wire: what must not be stored in clear must
not be in the answer to a mutation. An error is not remembered; the request is
judged anew when it comes again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from zikao_kit.columns import columns
from zikao_kit.context import current_actor
from zikao_kit.db import (
    CommitInDoubt,
    ConstraintViolated,
    Database,
    DatabaseUnavailable,
    Record,
    Transaction,
    TransactionConflict,
)
from zikao_kit.errors import REQUEST_ID_REUSED, DomainError
from zikao_kit.ids import uuid_of
from zikao_kit.queries import kit_queries

# Longer than any caller repeats a request.
KEEP_ANSWERS = timedelta(days=7)
FORGOTTEN_PER_ROUND = 1000
FORGET_PAUSE_SECONDS = 60.0
R = TypeVar("R", bound=Message)
Digest = Callable[[bytes], bytes]


def sha256(body: bytes) -> bytes:
    """The digest of bodies that nobody could guess, or that may be known."""
    return hashlib.sha256(body).digest()


class RequestKey(NamedTuple):
    """Who asks, under which id, for what."""

    actor: str
    request_id: UUID
    method: str
    body_sha256: bytes

    def require_same(self, method: str, body_sha256: bytes) -> None:
        """Raise DomainError REQUEST_ID_REUSED unless it is the request that was stored."""
        if (method, body_sha256) != (self.method, self.body_sha256):
            raise DomainError(REQUEST_ID_REUSED)


class IdTaken(Exception):  # noqa: N818 - it is what happened
    """A request id that was thought to be free has been used: here or elsewhere, for whatever."""


def key_of(request: Message, digest: Digest = sha256, *, asker: str = "") -> RequestKey:
    """Return the key of a mutation's request, in the name of the current actor or of `asker`.

    The method is the request's message: every RPC has its own. Passwords stay out
    of the digest: with it, a thief of the table could try them a billion times a second.
    The same holds for document numbers: a service that is sent them gives a keyed `digest`.
    """
    if not asker:
        actor = current_actor()
        asker = actor.subject or actor.caller
    return RequestKey(
        actor=asker,
        request_id=uuid_of(cast(Any, request).request_id),
        method=request.DESCRIPTOR.full_name,
        body_sha256=digest(_body(request)),
    )


async def run_once(
    db: Database,
    request: Message,
    response_type: type[R],
    work: Callable[[Transaction], Awaitable[R]],
    *,
    schema: str,
    digest: Digest = sha256,
    asker: str = "",
) -> R:
    """Run `work` and store its answer in one transaction; give that answer to every repetition.

    A repetition that comes while the first is running waits for it. `work` runs
    again after a deadlock (`Database.run`). When the connection is lost at COMMIT
    the database is asked what became of it. Raises REQUEST_ID_REUSED for another
    body, UNAVAILABLE when it did not happen or cannot be known now: then the
    caller repeats it with the same id.
    """
    key = key_of(request, digest, asker=asker)

    async def once(tx: Transaction) -> R:
        stored = await claim(tx, schema, key)
        if stored is not None:
            return response_type.FromString(stored)
        response = await work(tx)
        await remember(tx, schema, key, response)
        return response

    try:
        return await db.run(once)
    except CommitInDoubt:
        return response_type.FromString(await _settle(db, schema, key))


async def claim(tx: Transaction, schema: str, key: RequestKey) -> bytes | None:
    """Return the stored answer; None when there is none, and the id is ours until the end of tx.

    Waits for another transaction with the same id. Raises REQUEST_ID_REUSED, and
    TransactionConflict when the stored answer was just forgotten.
    """
    if await _kit(tx, schema).execute(
        "claim_request", key.actor, key.request_id, key.method, key.body_sha256
    ):
        return None
    stored = await recall(tx, schema, key)
    if stored is None:  # forgotten between the two statements: claim it again
        raise TransactionConflict
    return stored


async def recall(tx: Transaction, schema: str, key: RequestKey) -> bytes | None:
    """Return the stored answer, or None. Raises REQUEST_ID_REUSED."""
    row = await _kit(tx, schema).fetchrow("recall_answer", key.actor, key.request_id)
    if row is None:
        return None
    key.require_same(row["method"], row["body_sha256"])
    return bytes(row["response"])


async def remember(tx: Transaction, schema: str, key: RequestKey, response: Message) -> None:
    """Store the answer to a claimed request."""
    answer = response.SerializeToString()
    await _kit(tx, schema).execute("remember_answer", key.actor, key.request_id, answer)


async def recall_many(
    tx: Transaction, schema: str, keys: Sequence[RequestKey]
) -> dict[RequestKey, bytes | DomainError]:
    """Return the stored answers to those of `keys` that have one.

    A DomainError REQUEST_ID_REUSED is the answer where the id had another body.
    """
    ids = [key.actor for key in keys], [key.request_id for key in keys]
    rows = await _kit(tx, schema).fetch("recall_answers", *ids)
    if not rows:
        return {}
    found = {(row["actor"], row["request_id"]): row for row in rows}
    answers = ((key, found.get((key.actor, key.request_id))) for key in keys)
    return {key: _answer(key, row) for key, row in answers if row is not None}


async def remember_many(
    tx: Transaction, schema: str, keys: Sequence[RequestKey], answers: Sequence[bytes]
) -> None:
    """Store answers to requests that have none, as far as is known (`recall_many`).

    Raises IdTaken when one of them has one: the transaction is lost then.
    Ids are locked in one order; lock other rows before.
    """
    try:
        await _kit(tx, schema).execute("remember_answers", *columns(keys, 4), answers)
    except ConstraintViolated as taken:
        raise IdTaken from taken


async def forget(tx: Transaction, schema: str, older_than: timedelta, limit: int) -> int:
    """Delete up to `limit` answers, the oldest first; return how many.

    Their age is the database's: a rehearsal that moves the clock forgets nothing by it.
    """
    return await _kit(tx, schema).execute("forget_answers", older_than, limit)


class Forgetting:
    """Background work: answers that nobody asks for any more go, a few at a time."""

    def __init__(self, db: Database, schema: str, after: timedelta = KEEP_ANSWERS) -> None:
        self._db = db
        self._schema = schema
        self._after = after

    async def work(self) -> bool:
        """Do one round; True while there is more."""
        async with self._db.transaction() as tx:
            gone = await forget(tx, self._schema, self._after, FORGOTTEN_PER_ROUND)
        return gone == FORGOTTEN_PER_ROUND


async def _settle(db: Database, schema: str, key: RequestKey) -> bytes:
    # The claim waits until the lost transaction has ended either way, so the
    # answer is certain. We leave without COMMIT: repeating it is the caller's part.
    async with db.transaction() as tx:
        stored = await claim(tx, schema, key)
        if stored is None:
            raise DatabaseUnavailable
        return stored


def _answer(key: RequestKey, row: Record) -> bytes | DomainError:
    try:
        key.require_same(row["method"], row["body_sha256"])
    except DomainError as reused:
        return reused
    return bytes(row["response"])


def _body(request: Message) -> bytes:
    secrets = _secrets_of(request.DESCRIPTOR)
    if secrets:
        original, request = request, type(request)()
        request.CopyFrom(original)
        for name in secrets:
            request.ClearField(name)
    return request.SerializeToString(deterministic=True)


@cache
def _secrets_of(kind: Descriptor) -> Sequence[str]:
    return [field.name for field in kind.fields if field.name.endswith("password")]


def _kit(tx: Transaction, schema: str) -> Transaction:
    return tx.using(kit_queries(schema))
