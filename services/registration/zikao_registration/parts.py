"""What the methods of the service work with, put together by `main`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

import structlog
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue
from zikao.registration.v1 import types_pb2
from zikao_kit.batcher import Batcher
from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.idempotency import recall, run_once
from zikao_kit.revoked_logins import RevocationKeeper, RevokedLogins, RevokedPage
from zikao_kit.tokens import Actor

from zikao_registration.answers import SealedAnswers
from zikao_registration.clients.identity_provider import IdentityClient
from zikao_registration.clients.messenger import Messenger
from zikao_registration.commands.limit_recoveries import RecoveryAttempt
from zikao_registration.commands.list_revoked_logins import list_revoked_logins
from zikao_registration.converts.logins import login_tokens_to_pb
from zikao_registration.decision_desk import Entry
from zikao_registration.domain.logins import LoginLimit
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.domain.rare_characters import RareCharacters
from zikao_registration.domain.recovery import Purpose, RecoveryLimit
from zikao_registration.names import SCHEMA
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.pictures import Pictures
from zikao_registration.signing import TokenKeys
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.audits import AuditStore
from zikao_registration.stores.change_desk import ChangeDesk
from zikao_registration.stores.messages import MessageStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.privacy import PrivacyStore
from zikao_registration.stores.profile_changes import ProfileChangeStore
from zikao_registration.stores.registrations import Store
from zikao_registration.stores.reviews import ReviewStore
from zikao_registration.stores.study_records import StudyRecordStore
from zikao_registration.stores.work_lists import WorkListStore

# Of the 10 connections of a process.
ACCOUNT_TRANSACTIONS = 3

R = TypeVar("R", bound=Message)
log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """One of each for a process."""

    db: Database
    keys: KeyRing
    clock: Clock
    hashing: PasswordHashing
    pictures: Pictures
    tokens: TokenKeys
    recovery_limit: RecoveryLimit
    messenger: Messenger
    revoked: RevokedLogins
    login_rules: LoginRules
    identity_provider: IdentityClient | None
    lease: timedelta
    rare_characters: RareCharacters
    decisions: Batcher[Entry]

    @property
    def answers(self) -> SealedAnswers:
        """How answers are kept."""
        return SealedAnswers(self.keys)

    @property
    def login_limit(self) -> LoginLimit:
        """How often one may try."""
        return self.login_rules.limit

    def recovery_attempt(self, purpose: Purpose, caller: str, now: datetime) -> RecoveryAttempt:
        """An attempt to recover or to activate, through a caller."""
        return RecoveryAttempt(self.recovery_limit, self.login_limit, purpose, caller, now)

    @cached_property
    def revocations(self) -> RevocationKeeper:
        """Keeps `revoked`, by which the own server refuses tokens, what it is in the database."""
        return RevocationKeeper(self.revoked_logins, self.revoked)

    def store(self, tx: Transaction) -> Store:
        """The store of a transaction."""
        return Store(tx, self.keys)

    def accounts(self, tx: Transaction) -> AccountStore:
        """The account store of a transaction."""
        return AccountStore(tx, self.keys)

    def older(self, tx: Transaction) -> OlderStore:
        """The store of older candidates and ticket numbers of a transaction."""
        return OlderStore(tx, self.keys)

    def study_records(self, tx: Transaction) -> StudyRecordStore:
        """The store of standings of a transaction."""
        return StudyRecordStore(tx, self.keys)

    def privacy(self, tx: Transaction) -> PrivacyStore:
        """The store of copies and erasures of a transaction."""
        return PrivacyStore(tx)

    def change_desk(self, tx: Transaction, actor: Actor, now: datetime) -> ChangeDesk:
        """What profile changes are worked on with, in a transaction."""
        return ChangeDesk(
            self.store(tx), ProfileChangeStore(tx, self.keys), self.older(tx), actor, now
        )

    def reviews(self, tx: Transaction) -> ReviewStore:
        """The store of leases and decisions of a transaction."""
        return ReviewStore(tx, self.keys)

    def work_lists(self, tx: Transaction) -> WorkListStore:
        """The store of lists and counts of a transaction."""
        return WorkListStore(tx, self.keys)

    def audits(self, tx: Transaction) -> AuditStore:
        """The audit trail of a transaction."""
        return AuditStore(tx)

    @cached_property
    def _account_turns(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(ACCOUNT_TRANSACTIONS)

    @asynccontextmanager
    async def open_accounts(self) -> AsyncIterator[tuple[AccountStore, Store]]:
        """Both stores in a transaction of their own, few of which are open at once.

        Those who log in by the hundred wait for each other, and leave connections to the rest.
        """
        async with self._account_turns, self.db.transaction() as tx:
            yield self.accounts(tx), self.store(tx)

    def messages(self, tx: Transaction) -> MessageStore:
        """The store of outgoing messages of a transaction."""
        return MessageStore(tx, self.keys)

    @asynccontextmanager
    async def open_messages(self) -> AsyncIterator[MessageStore]:
        """The store of outgoing messages in a transaction of its own."""
        async with self.db.transaction() as tx:
            yield self.messages(tx)

    async def revoked_logins(self, cursor: str) -> RevokedPage:
        """Logins that were revoked after a cursor; raises INVALID_REQUEST for none."""
        async with self.db.read() as tx:
            logins = self.accounts(tx).logins
            return await list_revoked_logins(logins, self.login_rules, cursor, self.clock.now())

    @asynccontextmanager
    async def spreading_revocations(self) -> AsyncIterator[None]:
        """What the block revokes is refused here when it ends, elsewhere within a poll."""
        yield
        await self.spread_revocations()

    async def spread_revocations(self) -> None:
        """Refuse here what was just revoked; when that fails, the next poll does it.

        It has happened, so that no error may say otherwise.
        """
        try:
            await self.revocations.work()
        except Exception:
            log.exception("revoked logins are read at the next poll")

    def login_tokens(self, started: StartedLogin) -> types_pb2.LoginTokens:
        """The tokens of a login that has begun or goes on."""
        return login_tokens_to_pb(started, self.tokens.issue(started))

    async def answered_before(
        self,
        request: Message,
        response_type: type[R],
        check: Callable[[Transaction], Awaitable[object]],
        *,
        asker: str = "",
    ) -> R | None:
        """The first answer to a repeated request; None for a new one that passes `check`.

        For requests whose work costs much before its transaction begins: those that would be
        refused there must not get that far.
        """
        key = self.answers.key_of(request, asker=asker)
        async with self.db.read() as tx:
            stored = await recall(tx, SCHEMA, key)
            if stored is None:
                await check(tx)
                return None
        opened = self.answers.open(key.request_id, BytesValue.FromString(stored))
        return response_type.FromString(opened)

    async def run_once(
        self,
        request: Message,
        response_type: type[R],
        work: Callable[[Transaction], Awaitable[R]],
        *,
        asker: str = "",
    ) -> R:
        """As `zikao_kit.idempotency.run_once`; the answer is kept encrypted, the digest keyed."""
        answers, request_id = self.answers, UUID(cast(Any, request).request_id)

        async def sealing(tx: Transaction) -> BytesValue:
            return answers.seal(request_id, (await work(tx)).SerializeToString())

        sealed = await run_once(
            self.db,
            request,
            BytesValue,
            sealing,
            schema=SCHEMA,
            digest=answers.digest,
            asker=asker,
        )
        return response_type.FromString(answers.open(request_id, sealed))
