"""Choose a new password (DOMAIN section 3, Account); the initial one is good for nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.check_password import OpenAccounts
from zikao_registration.commands.notify_candidate import notify_of_own
from zikao_registration.commands.prove_password import prove_password
from zikao_registration.commands.start_login import go_on_with
from zikao_registration.domain.messages import Notice
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.domain.passwords import (
    PASSWORD_MIN_CHARACTERS,
    STAFF_PASSWORD_MIN_CHARACTERS,
    check_password,
)
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.recovery_desk import RecoveryDesk
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class PasswordChange:
    """Somebody who has logged in wants another password."""

    actor: Actor
    old_password: str = field(repr=False)
    new_password: str = field(repr=False)

    @property
    def account_id(self) -> UUID:
        """Whose password it is."""
        return UUID(self.actor.subject)

    async def require_allowed(self, accounts: AccountStore, store: Store) -> None:
        """Judge the new password before anything is hashed; raises PASSWORD_REFUSED, NOT_FOUND."""
        account = await accounts.get_account(self.account_id)
        number = ""
        if not account.is_staff:
            number = (await store.get_registration(self.account_id)).document.number
        least = STAFF_PASSWORD_MIN_CHARACTERS if account.is_staff else PASSWORD_MIN_CHARACTERS
        check_password(self.new_password, document_number=number, min_characters=least)
        if self.new_password == self.old_password:
            raise DomainError("PASSWORD_REFUSED", detail="不能与原密码相同")

    async def prove_old(
        self,
        open_accounts: OpenAccounts,
        hashing: PasswordHashing,
        rules: LoginRules,
        now: datetime,
    ) -> str | None:
        """Return the hash of the old password, if it is right (None: it is the initial one).

        Raises DomainError LOGIN_FAILED, LOGIN_LOCKED, OVERLOADED.
        """
        account = await prove_password(
            open_accounts, hashing, rules, self.old_password, actor=self.actor, now=now
        )
        return account.password_hash

    async def apply(
        self,
        stores: RecoveryDesk,
        rules: LoginRules,
        *,
        old_hash: str | None,
        new_hash: str,
        now: datetime,
    ) -> StartedLogin:
        """Set it, end all other logins, go on with this one, tell the candidate.

        Raises DomainError LOGIN_ENDED.
        """
        accounts, store = stores.accounts, stores.candidates
        before = await accounts.get_account(self.account_id, for_update=True)
        if before.password_hash != old_hash:  # changed meanwhile
            raise DomainError("LOGIN_ENDED")
        await accounts.set_password(self.account_id, new_hash)
        if not before.is_staff:
            await notify_of_own(stores, self.account_id, Notice.PASSWORD_CHANGED, now)
        return await go_on_alone(
            accounts, store, rules, actor=self.actor, action="change_password", now=now
        )


async def go_on_alone(
    accounts: AccountStore,
    store: Store,
    rules: LoginRules,
    *,
    actor: Actor,
    action: str,
    now: datetime,
) -> StartedLogin:
    """End all logins of the actor's account but this one, which may do what is allowed now.

    The account is locked, and was changed by what the audit calls `action`. Raises LOGIN_ENDED.
    """
    account = await accounts.get_account(UUID(actor.subject))
    login = await accounts.logins.lock(UUID(actor.login_id)) if actor.login_id else None
    if login is None or not login.is_open(now):
        raise DomainError("LOGIN_ENDED")
    await accounts.revoke_logins(account.account_id, now, but_for=login.login_id)
    await store.audit(actor, action, now, *account.candidate_ids)
    restricted = rules.is_restricted(account)
    return await go_on_with(accounts, account, rules, login, restricted=restricted, now=now)
