"""Staff set up their second factor (DOMAIN section 7)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pyotp
from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.change_password import go_on_alone
from zikao_registration.domain.accounts import Account
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.domain.second_factors import SecondFactor
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


async def begin_second_factor(
    accounts: AccountStore, store: Store, actor: Actor, now: datetime
) -> tuple[str, str]:
    """A new secret and its address, kept until it is confirmed; raises SECOND_FACTOR_EXISTS."""
    account = await _account_without(accounts, actor)
    factor = SecondFactor(pyotp.random_base32())
    await accounts.set_second_factor(account.account_id, factor)
    await store.audit(actor, "begin_second_factor", now)
    return factor.secret, factor.uri(account.login_name)


async def confirm_second_factor(
    accounts: AccountStore,
    store: Store,
    rules: LoginRules,
    code: str,
    *,
    actor: Actor,
    now: datetime,
) -> StartedLogin:
    """The factor counts from now on; this login goes on and the others end.

    Raises SECOND_FACTOR_EXISTS, SECOND_FACTOR_MISSING, ONE_TIME_CODE_WRONG, LOGIN_ENDED. Wrong
    codes are not counted: the secret is not hidden from who may try.
    """
    account = await _account_without(accounts, actor)
    if account.second_factor is None:
        raise DomainError("SECOND_FACTOR_MISSING")
    taken = account.second_factor.taken(code, now)
    if taken is None:
        raise DomainError("ONE_TIME_CODE_WRONG")
    await accounts.set_second_factor(account.account_id, taken)
    return await go_on_alone(
        accounts, store, rules, actor=actor, action="confirm_second_factor", now=now
    )


async def _account_without(accounts: AccountStore, actor: Actor) -> Account:
    account = await accounts.get_account(UUID(actor.subject), for_update=True)
    if account.has_second_factor:
        raise DomainError("SECOND_FACTOR_EXISTS")
    return account
