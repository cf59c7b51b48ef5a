"""Logins and how often they may fail, over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher
from support.registration_people import (
    PASSWORD,
    account_request,
    apply_session,
    document_number,
    log_in,
    new_candidate,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries
from zikao_registration.commands.log_in import Credentials
from zikao_registration.commands.log_in import log_in as log_in_command
from zikao_registration.config import LoginConfig
from zikao_registration.domain.logins import LoginLimit, Tried
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


def wrong(login_name: str) -> accounts.LogInRequest:
    """A login with a wrong password."""
    return accounts.LogInRequest(login_name=login_name, password="not the password")


async def test_wrong_passwords_lock(server: RegistrationServer) -> None:
    """Known and unknown names are refused alike, then locked, until the window has passed."""
    await new_candidate(server)
    portal = await server.caller("portal")
    for name in (document_number(1), document_number(2)):
        reasons = [(await portal.refused(wrong(name))).reason for _ in range(6)]
        assert reasons == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"]
    right = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    locked = await portal.refused(right)
    assert locked.reason == "LOGIN_LOCKED"
    assert locked.retry_after is not None
    assert timedelta(minutes=14) < locked.retry_after <= timedelta(minutes=15)
    await server.move_clock(NOON + timedelta(minutes=16))
    assert (await portal.call(right)).tokens.access_token


async def test_success_forgets_failures(server: RegistrationServer) -> None:
    """Wrong passwords before a right one are not held against the account."""
    await new_candidate(server)
    portal = await server.caller("portal")
    for _ in range(3):
        for _ in range(4):
            assert (await portal.refused(wrong(document_number(1)))).reason == "LOGIN_FAILED"
        assert (await log_in(server, document_number(1))).token


async def test_guesses_in_parallel_are_counted(server: RegistrationServer) -> None:
    """Of many guesses at once no more are judged than the limit allows."""
    await new_candidate(server)
    portal = await server.caller("portal")
    guesses = (portal.refused(wrong(document_number(1))) for _ in range(20))
    reasons = [refused.reason for refused in await asyncio.gather(*guesses)]
    assert sorted(reasons) == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"] * 15


async def test_lock_outlives_a_restart(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Failures are in the database: another process knows them."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as first:
        portal = await first.caller("portal")
        for _ in range(5):
            assert (await portal.refused(wrong("somebody"))).reason == "LOGIN_FAILED"
    async with registration_server(dsn, tmp_path) as second:
        assert (await (await second.caller("portal")).refused(wrong("somebody"))).reason == (
            "LOGIN_LOCKED"
        )


async def test_callers_that_fail_are_limited(make_database: MakeDatabase, tmp_path: Path) -> None:
    """A caller is locked once it fails often and at least as often as not; others go on."""
    dsn = await make_database("registration")
    login = LoginConfig(attempts_per_caller=3)
    async with registration_server(dsn, tmp_path, login=login) as server:
        await apply_session(server)
        await new_candidate(server)
        for _ in range(4):
            assert (await log_in(server, document_number(1))).token
        portal, other = await server.caller("portal"), await server.caller("other-portal")
        reasons = [(await portal.refused(wrong(f"name{n}"))).reason for n in range(7)]
        assert reasons == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"] * 2
        right = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
        assert (await portal.refused(right)).reason == "LOGIN_LOCKED"
        assert (await other.refused(wrong("name9"))).reason == "LOGIN_FAILED"
        await server.move_clock(NOON + timedelta(minutes=16))
        assert (await portal.call(right)).tokens.access_token


async def test_callers_do_not_ask_who_has_an_account(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Most of whose new accounts exist already is told to come later; others make theirs."""
    dsn = await make_database("registration")
    login = LoginConfig(attempts_per_caller=3)
    async with registration_server(dsn, tmp_path, login=login) as server:
        await apply_session(server)
        portal, other = await server.caller("portal"), await server.caller("other-portal")
        for number in (1, 2, 3, 4):
            await portal.call(account_request(number))
        reasons = [(await portal.refused(account_request(1))).reason for _ in range(5)]
        assert reasons == ["LOGIN_NAME_TAKEN"] * 4 + ["OVERLOADED"]
        assert (await portal.refused(account_request(5))).reason == "OVERLOADED"
        await other.call(account_request(5))
        assert (await log_in(server, document_number(1))).token
        await server.move_clock(NOON + timedelta(minutes=16))
        await portal.call(account_request(6))


async def test_strangers_ask_seldom_about_a_document(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Of a document that is known and of one that is not, so many accounts are asked for a day.

    A repeated request is answered again; what is refused before is not counted.
    """
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as server:
        await apply_session(server)
        portal, other = await server.caller("portal"), await server.caller("other-portal")
        made = account_request(1)
        first = await portal.call(made)
        for number in range(4):
            taken = account_request(1, login_name=f"free-name-{number}")
            assert (await portal.refused(taken)).reason == "LOGIN_NAME_TAKEN"
        await portal.call(account_request(2, login_name="somebody"))
        for _ in range(5):
            assert (await portal.refused(account_request(2, password="12345678"))).reason == (
                "PASSWORD_REFUSED"
            )
            third = account_request(3, login_name="somebody")
            assert (await portal.refused(third)).reason == "LOGIN_NAME_TAKEN"
        for caller, number in ((portal, 1), (other, 1), (portal, 3)):
            locked = await caller.refused(account_request(number))
            assert locked.reason == "RECOVERY_LOCKED"
            assert locked.retry_after is not None
        assert await portal.call(made) == first
        await server.move_clock(NOON + timedelta(hours=24, minutes=1))
        await portal.call(account_request(3))


async def test_typing_errors_lock_nobody_out(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Far more failures than the limit lock no portal whose candidates mostly type right."""
    dsn = await make_database("registration")
    login = LoginConfig(attempts_per_caller=3)
    async with registration_server(dsn, tmp_path, login=login) as server:
        await apply_session(server)
        await new_candidate(server)
        portal = await server.caller("portal")
        for number in range(12):
            assert (await log_in(server, document_number(1))).token
            assert (await log_in(server, document_number(1))).token
            assert (await portal.refused(wrong(f"name{number}"))).reason == "LOGIN_FAILED"
        rows = await server.rows(
            "SELECT attempts, failures FROM registration.caller_attempt"
            # But for the account's: the one of its kind.
            " WHERE subject_index IN (SELECT subject_index FROM registration.caller_attempt"
            " WHERE failures > 0)"
        )
        assert len(rows) > 1
        assert sum(row["failures"] for row in rows) == 12
        # And the candidate's first login, when the account was made.
        assert sum(row["attempts"] for row in rows) == 12 * 3 + 1


LIMIT = LoginLimit(
    attempts=2, attempts_per_caller=2, caller_failure_share=0.5, window=timedelta(minutes=15)
)
RULES = LoginRules(
    limit=LIMIT,
    candidate_lifetime=timedelta(hours=12),
    staff_lifetime=timedelta(hours=8),
    staff_idle=timedelta(minutes=30),
    second_factor_required=True,
    longest_token=timedelta(hours=2),
)


class Logins:
    """The command on a database of its own."""

    def __init__(self, dsn: str, db: Database, keys: KeyRing) -> None:
        self._dsn = dsn
        self._db = db
        self._keys = keys
        self.transactions = 0

    @asynccontextmanager
    async def open_accounts(self) -> AsyncIterator[tuple[AccountStore, Store]]:
        """Both stores in a transaction."""
        self.transactions += 1
        async with self._db.transaction() as tx:
            yield AccountStore(tx, self._keys), Store(tx, self._keys)

    async def log_in(self, hashing: PasswordHashing) -> StartedLogin:
        """Somebody tries."""
        shown = Credentials("name", "password")
        return await log_in_command(
            self.open_accounts, hashing, RULES, shown, caller="portal", now=NOON
        )

    async def counted(self) -> tuple[int, int]:
        """Attempts of the name and of the caller."""
        lapsed_at = LIMIT.lapsed_at(NOON)
        async with self.open_accounts() as (store, _):
            name, _first_at = await store.count_attempt(Tried.LOGIN, "name", NOON, lapsed_at)
            await store.return_attempt(Tried.LOGIN, "name")
            caller = await store.sum_caller_attempts(Tried.LOGIN, "portal", lapsed_at)
        return name - 1, caller.attempts

    async def one_waits(self) -> bool:
        """Say whether a transaction waits for another's row."""
        connection = await asyncpg.connect(self._dsn)
        try:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        finally:
            await connection.close()
        return bool(waiting == 1)


@pytest.fixture
async def logins(make_database: MakeDatabase) -> AsyncIterator[Logins]:
    """Logins without a service."""
    dsn = await make_database("registration")
    config = DatabaseConfig(dsn=dsn)
    async with await Database.connect(config, Queries.load("zikao_registration")) as db:
        yield Logins(dsn, db, KeyRing.generate())


async def test_overload_is_no_failure(logins: Logins) -> None:
    """An attempt whose password nobody looked at does not count, and costs the database nothing."""
    hashing = PasswordHashing(PasswordHasher(1, 64, 1), max_waiting=0)
    for _ in range(4):
        with pytest.raises(DomainError, match="OVERLOADED"):
            await logins.log_in(hashing)
    assert logins.transactions == 0
    assert await logins.counted() == (0, 0)
    hashing.close()


class SlowHasher(PasswordHasher):
    """Looks at a password once it is let go."""

    def __init__(self) -> None:
        super().__init__(1, 64, 1)
        self.begun, self.go = Event(), Event()

    def verify(self, *args: Any, **options: Any) -> Any:
        """Wait before it."""
        self.begun.set()
        assert self.go.wait(20)
        return super().verify(*args, **options)


async def test_who_gives_up_has_not_failed(logins: Logins) -> None:
    """An attempt whose caller went away while the password was looked at does not count."""
    hasher = SlowHasher()
    hashing = PasswordHashing(hasher)
    for _ in range(4):
        hasher.begun.clear()
        hasher.go.clear()
        attempt = asyncio.create_task(logins.log_in(hashing))
        await until(hasher.begun.is_set)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        hasher.go.set()
    assert await logins.counted() == (0, 0)
    hashing.close()


async def test_giving_up_takes_no_verdict_along(logins: Logins) -> None:
    """A wrong password counts for name and caller, also when its caller goes away just then."""
    hashing = PasswordHashing(PasswordHasher(1, 64, 1))
    async with logins.open_accounts() as (other, _):
        await other.count_caller_attempt(
            Tried.LOGIN, "portal", "name", failed=False, now=NOON, lapsed_at=LIMIT.lapsed_at(NOON)
        )
        attempt = asyncio.create_task(logins.log_in(hashing))
        await until(logins.one_waits)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    async def counted() -> bool:
        return await logins.counted() == (1, 2)

    await until(counted)
    hashing.close()


async def test_lapsed_attempts_are_deleted(server: RegistrationServer) -> None:
    """Names that somebody made up do not stay in the database."""
    portal = await server.caller("portal")
    await portal.refused(wrong("made up"))
    names, callers = (
        "SELECT 1 FROM registration.login_attempt",
        "SELECT 1 FROM registration.caller_attempt",
    )
    assert len(await server.rows(names)) == len(await server.rows(callers)) == 1
    await server.move_clock(NOON + timedelta(minutes=16))

    async def all_gone() -> bool:
        return not await server.rows(names) and not await server.rows(callers)

    await until(all_gone)
