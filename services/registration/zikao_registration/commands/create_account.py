"""A candidate's account, with an empty draft (DOMAIN section 3, Account)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from zikao_kit.tokens import Actor

from zikao_registration.domain.accounts import CANDIDATE, Account
from zikao_registration.domain.documents import Document, DocumentType, parse_document
from zikao_registration.domain.logins import choose_login_name
from zikao_registration.domain.passwords import check_password
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import State
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class Application:
    """Who wants an account, and under which name: both in their one spelling."""

    document: Document
    login_name: str


def check_application(
    document_type: DocumentType,
    document_number: str,
    login_name: str,
    password: str,
    now: datetime,
) -> Application:
    """What is judged before a password is worth hashing.

    Raises DomainError DOCUMENT_INVALID, INVALID_REQUEST for a login name that is somebody
    else's number, PASSWORD_REFUSED.
    """
    document = parse_document(document_type, document_number, today=now.date())
    name = choose_login_name(login_name, document, today=now.date())
    check_password(password, document_number=document.number)
    return Application(document, name)


async def require_registration_open(store: Store, session_code: str, now: datetime) -> Session:
    """The session, if it takes accounts now; raises SESSION_UNKNOWN, REGISTRATION_CLOSED."""
    session = await store.sessions.load(session_code)
    session.require_registration_open(now)
    return session


async def create_account(
    accounts: AccountStore,
    store: Store,
    application: Application,
    session_code: str,
    password_hash: str,
    *,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Create both; return the candidate's id, for life.

    Raises DomainError SESSION_UNKNOWN, REGISTRATION_CLOSED, and LOGIN_NAME_TAKEN also when
    the person has an account already.
    """
    session = await require_registration_open(store, session_code, now)
    candidate_id = uuid4()
    account = Account(candidate_id, password_hash, role=CANDIDATE, scope="")
    await accounts.insert_account(account, application.login_name, application.document, now)
    draft = Registration(
        candidate_id=candidate_id,
        session_code=session.code,
        state=State.DRAFT,
        document=application.document,
        personal=PersonalData(),
        updated_at=now,
    )
    await store.insert_draft(draft)
    await store.audit(actor, "create_account", now, candidate_id, after={"state": draft.state})
    return candidate_id
