"""Log out: this login, another one, all of them."""

from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.stores.accounts import AccountStore


async def end_login(accounts: AccountStore, actor: Actor, login_id: str, now: datetime) -> None:
    """End one of the actor's logins, the one it came with where `login_id` is empty."""
    chosen = login_id or actor.login_id
    if chosen:
        await accounts.logins.revoke(UUID(chosen), UUID(actor.subject), now)


async def end_all_logins(accounts: AccountStore, actor: Actor, now: datetime) -> None:
    """End all of the actor's logins."""
    account = await accounts.get_account(UUID(actor.subject), for_update=True)
    await accounts.revoke_logins(account.account_id, now)
