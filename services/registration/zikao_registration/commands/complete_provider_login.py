"""Log in whom the identity provider has recognised (DOMAIN section 3, Recovery)."""

from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.start_login import start_login
from zikao_registration.domain.documents import Document, DocumentType, parse_document
from zikao_registration.domain.open_logins import LoginRules, StartedLogin
from zikao_registration.domain.provider_logins import ProvenIdentity
from zikao_registration.domain.recovery import is_same_name
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store

_KINDS = {str(kind): kind for kind in DocumentType}


def document_of(identity: ProvenIdentity, now: datetime) -> Document:
    """The document the provider vouches for; PROVIDER_LOGIN_FAILED when it is none of ours."""
    kind = _KINDS.get(identity.document_type)
    if kind is None:
        raise DomainError("PROVIDER_LOGIN_FAILED")
    try:
        return parse_document(kind, identity.document_number, today=now.date())
    except DomainError as error:
        raise DomainError("PROVIDER_LOGIN_FAILED") from error


async def complete_provider_login(
    accounts: AccountStore,
    store: Store,
    identity: ProvenIdentity,
    rules: LoginRules,
    *,
    caller: str,
    now: datetime,
) -> StartedLogin:
    """A login of the person whose document it is.

    Raises DomainError PROVIDER_ACCOUNT_UNKNOWN, PROVIDER_NAME_DIFFERS: the account was made for
    another person with a mistyped number, or the name has changed: the office's matter.
    RECORD_INCOMPLETE for an older candidate without a photo.
    Who has written no name yet is known by the document alone.
    """
    found = await accounts.find_account_of(document_of(identity, now))
    if found is None:
        raise DomainError("PROVIDER_ACCOUNT_UNKNOWN")
    candidate = await store.get_registration(found.account_id)
    name = candidate.personal.name
    if name and not is_same_name(name, identity.name):
        raise DomainError("PROVIDER_NAME_DIFFERS")
    if await store.lacks_photo(found.account_id):
        raise DomainError("RECORD_INCOMPLETE")
    account = await accounts.get_account(found.account_id, for_update=True)
    actor = Actor(str(account.account_id), account.role, account.scope, caller)
    await store.audit(actor, "log_in", now, account.account_id, after={"by": "identity_provider"})
    return await start_login(accounts, account, rules, caller=caller, now=now)
