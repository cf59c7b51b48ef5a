"""An officer's or auditor's account (DOMAIN section 2)."""

from datetime import datetime
from uuid import UUID, uuid4

from zikao_kit.tokens import Actor

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.logins import choose_login_name
from zikao_registration.domain.passwords import STAFF_PASSWORD_MIN_CHARACTERS, check_password
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


def check_staff_login(login_name: str, password: str, now: datetime) -> str:
    """The login name in its one spelling.

    Raises DomainError INVALID_REQUEST for a candidate's document number, PASSWORD_REFUSED.
    """
    check_password(password, min_characters=STAFF_PASSWORD_MIN_CHARACTERS)
    return choose_login_name(login_name, None, today=now.date())


async def create_staff_account(
    accounts: AccountStore,
    store: Store,
    login_name: str,
    password_hash: str,
    *,
    role: str,
    scope: str,
    must_change_password: bool,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Create it; return its id. Raises DomainError LOGIN_NAME_TAKEN."""
    account = Account(uuid4(), password_hash, role, scope, must_change_password)
    await accounts.insert_account(account, login_name, None, now)
    after = {"staff_id": str(account.account_id), "role": role, "scope": scope}
    await store.audit(actor, "create_staff_account", now, after=after)
    return account.account_id
