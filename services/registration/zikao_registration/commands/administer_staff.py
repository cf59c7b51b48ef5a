"""The operator keeps staff out, and lets them in anew."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.passwords import STAFF_PASSWORD_MIN_CHARACTERS, check_password
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


async def disable_staff_account(
    accounts: AccountStore, store: Store, staff_id: UUID, *, actor: Actor, now: datetime
) -> None:
    """End all logins, and let none begin; raises NOT_FOUND, also for a candidate's account."""
    account = await _staff_account(accounts, staff_id)
    if account.disabled_at is None:
        await accounts.set_disabled(staff_id, now)
    await accounts.revoke_logins(staff_id, now)
    await store.audit(actor, "disable_staff_account", now, after={"staff_id": str(staff_id)})


def check_staff_password(password: str) -> None:
    """Raise PASSWORD_REFUSED unless staff may have it; before it is worth hashing."""
    check_password(password, min_characters=STAFF_PASSWORD_MIN_CHARACTERS)


async def reset_staff_account(
    accounts: AccountStore,
    store: Store,
    staff_id: UUID,
    password_hash: str,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """A password to be changed, no second factor, enabled, no logins; raises NOT_FOUND."""
    await _staff_account(accounts, staff_id)
    await accounts.set_password(staff_id, password_hash, must_change=True)
    await accounts.set_second_factor(staff_id, None)
    await accounts.set_disabled(staff_id, None)
    await accounts.revoke_logins(staff_id, now)
    await store.audit(actor, "reset_staff_account", now, after={"staff_id": str(staff_id)})


async def _staff_account(accounts: AccountStore, staff_id: UUID) -> Account:
    account = await accounts.get_account(staff_id, for_update=True)
    if not account.is_staff:
        raise DomainError(NOT_FOUND)
    return account
