"""Say whether a password is an account's: always one Argon2 verification, whoever asks.

A place for it is taken before the attempt is counted: who is told OVERLOADED has cost no
database work. No connection is held while the password is hashed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from zikao_registration.commands.count_attempts import Attempt
from zikao_registration.domain.accounts import Account, is_initial_password
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store

OpenAccounts = Callable[[], AbstractAsyncContextManager[tuple[AccountStore, Store]]]
FindAccount = Callable[[AccountStore], Awaitable[Account | None]]


async def check_password(
    open_accounts: OpenAccounts,
    hashing: PasswordHashing,
    attempt: Attempt,
    find: FindAccount,
    password: str,
) -> tuple[Account | None, bool]:
    """Whose password was tried, and whether it is right.

    Raises DomainError LOGIN_LOCKED with the time to come again, OVERLOADED. An attempt that
    ends without a verdict (overloaded, cancelled) does not count; the others wait for theirs
    (`Attempt.judge`). Takes the same time whether or not the account exists.
    """
    with hashing.place() as place:
        async with open_accounts() as (accounts, store):
            await attempt.count(accounts)
            account = await find(accounts)
            number = await _number_behind(store, account)
        try:
            is_right = await place.verify(account.password_hash if account else None, password)
        except BaseException:
            # Shielded: who gives up leaves no attempt behind.
            await asyncio.shield(_give_back(open_accounts, attempt))
            raise
    return account, is_right or bool(number and is_initial_password(number, password))


async def _number_behind(store: Store, account: Account | None) -> str:
    """The document number that an initial password is derived from; empty without one."""
    if account is None or account.password_hash is not None:
        return ""
    return (await store.get_registration(account.account_id)).document.number


async def _give_back(open_accounts: OpenAccounts, attempt: Attempt) -> None:
    async with open_accounts() as (accounts, _):
        await attempt.give_back(accounts)
