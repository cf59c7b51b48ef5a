"""Somebody who has logged in proves the password once more, before what cannot be undone."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.check_password import OpenAccounts, check_password
from zikao_registration.commands.count_attempts import Attempt, Verdict
from zikao_registration.domain.accounts import Account
from zikao_registration.domain.logins import Tried
from zikao_registration.domain.open_logins import LoginRules
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore


async def prove_password(
    open_accounts: OpenAccounts,
    hashing: PasswordHashing,
    rules: LoginRules,
    password: str,
    *,
    actor: Actor,
    now: datetime,
) -> Account:
    """Return the actor's account, if the password is right.

    Raises DomainError LOGIN_FAILED, LOGIN_LOCKED, OVERLOADED, NOT_FOUND. Attempts are counted
    apart from those of LogIn: who has stolen a token locks nobody out, and who has none does not
    lock this.
    """
    account_id = UUID(actor.subject)
    attempt = Attempt(rules.limit, Tried.PROOF, actor.subject, actor.caller, now)

    async def find(accounts: AccountStore) -> Account:
        return await accounts.get_account(account_id)

    account, is_right = await check_password(open_accounts, hashing, attempt, find, password)
    verdict = Verdict.RIGHT if is_right else Verdict.WRONG
    # Shielded: who gives up takes no verdict along.
    await asyncio.shield(_judge(open_accounts, attempt, verdict))
    if account is None or not is_right:
        raise DomainError("LOGIN_FAILED")
    return account


async def _judge(open_accounts: OpenAccounts, attempt: Attempt, verdict: Verdict) -> None:
    async with open_accounts() as (accounts, _):
        await attempt.judge(accounts, verdict)
