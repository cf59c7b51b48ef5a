"""A refresh token is used up by the next pair; one that comes twice ends the login.

What was never one ends nothing, and costs one look into the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.check_password import OpenAccounts
from zikao_registration.commands.start_login import go_on_with
from zikao_registration.domain.open_logins import (
    Login,
    LoginRules,
    RefreshToken,
    StartedLogin,
)
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class Refreshing:
    """Somebody shows a refresh token through a caller."""

    rules: LoginRules
    token: RefreshToken
    caller: str
    now: datetime

    async def require_genuine(self, accounts: AccountStore) -> None:
        """Raise DomainError LOGIN_ENDED unless the token was made for a login that is open."""
        self._require_genuine(await accounts.logins.find(self.token.login_id))

    async def refresh(self, accounts: AccountStore) -> StartedLogin:
        """The login with its next refresh token. Raises DomainError LOGIN_ENDED."""
        token = self.token
        login = self._require_genuine(await accounts.logins.lock(token.login_id))
        # Not locked: who changes the account ends this login before or after it.
        account = await accounts.get_account(login.account_id)
        if not token.is_current(login, self.caller) or login.is_idle(account, self.rules, self.now):
            raise DomainError("LOGIN_ENDED")
        restricted = login.restricted or self.rules.is_restricted(account)
        return await go_on_with(
            accounts,
            account,
            self.rules,
            login,
            used_up=token,
            restricted=restricted,
            now=self.now,
        )

    @asynccontextmanager
    async def ending_reused(
        self, open_accounts: OpenAccounts, spread: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[None]:
        """End the login of a token that was refused as used up, and `spread` the word.

        The refusal has undone its own transaction.
        """
        try:
            yield
        except DomainError as error:
            if error.reason == "LOGIN_ENDED":
                async with open_accounts() as (accounts, store):
                    ended = await self._end_if_reused(accounts, store)
                if ended:
                    await spread()
            raise

    def _require_genuine(self, login: Login | None) -> Login:
        if login is None or not login.is_open(self.now) or not self.token.is_of(login):
            raise DomainError("LOGIN_ENDED")
        return login

    async def _end_if_reused(self, accounts: AccountStore, store: Store) -> bool:
        login = self._require_genuine(await accounts.logins.lock(self.token.login_id))
        if self.token.is_current(login, self.caller):  # idle
            return False
        await accounts.logins.revoke(login.login_id, login.account_id, self.now)
        account = await accounts.get_account(login.account_id)
        actor = Actor(str(account.account_id), account.role, account.scope, self.caller)
        after = {"caller": self.caller, "begun_through": login.caller}
        await store.audit(
            actor, "refresh_token_reused", self.now, *account.candidate_ids, after=after
        )
        return True
