"""Bind an older ticket number to a new account (DOMAIN section 3, Activation)."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.admit_older import admit_older
from zikao_registration.commands.limit_recoveries import RecoveryAttempt
from zikao_registration.domain.activation import Person, require_activation_open
from zikao_registration.domain.documents import Document
from zikao_registration.domain.held_numbers import StoredNumber
from zikao_registration.domain.older_imports import NumberStatus
from zikao_registration.domain.older_records import OlderRecord
from zikao_registration.domain.recovery import is_same_name
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.recovery_desk import RecoveryDesk
from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class ActivationClaim:
    """Whose the number is said to be, and how to reach them."""

    ticket_number: str
    document: Document
    name: str
    mobile: str

    @property
    def person(self) -> Person:
        """Who that is."""
        return Person(self.document, self.name)


async def check_activation(
    stores: RecoveryDesk, attempt: RecoveryAttempt, claim: ActivationClaim
) -> None:
    """Count an attempt, of the document and of the number, before anything is looked up.

    Raises DomainError ACTIVATION_CLOSED, for which none is counted, RECOVERY_LOCKED, and as
    `require_activatable`.
    """
    accounts, store = stores.accounts, stores.candidates
    require_activation_open(await store.sessions.load_all(), attempt.now)
    await attempt.count(stores, claim.document)
    await attempt.count_ticket_number(stores, claim.ticket_number)
    async with attempt.judging(accounts, claim.ticket_number):
        await require_activatable(accounts, store, stores.older, claim)


async def require_activatable(
    accounts: AccountStore,
    store: Store,
    older: OlderStore,
    claim: ActivationClaim,
    *,
    for_update: bool = False,
) -> OlderRecord:
    """The record that is to be activated.

    Raises DomainError TICKET_NUMBER_NOT_ENTERED, ACTIVATION_DATA_MISMATCH, ALREADY_ACTIVATED,
    TICKET_NUMBER_ENDED, RECORD_INCOMPLETE, TICKET_NUMBERS_TO_MERGE, ACCOUNT_EXISTS.
    """
    numbers = await older.get_numbers([claim.ticket_number], for_update=for_update)
    number = numbers.get(claim.ticket_number)
    if number is None:
        raise DomainError("TICKET_NUMBER_NOT_ENTERED")
    if number.record is None:
        raise await _why_not(store, number, claim)
    _require_owner(number.record, claim)
    if number.status is NumberStatus.CANCELLED:
        raise DomainError("TICKET_NUMBER_ENDED")
    if not number.photo_sha256:
        raise DomainError("RECORD_INCOMPLETE")
    if await accounts.find_owner(claim.document):
        raise DomainError("ACCOUNT_EXISTS")
    if await older.other_numbers(claim.document, [claim.ticket_number]):
        raise DomainError("TICKET_NUMBERS_TO_MERGE")
    return number.record


async def activate_ticket_number(
    accounts: AccountStore,
    store: Store,
    older: OlderStore,
    claim: ActivationClaim,
    password_hash: str,
    *,
    actor: Actor,
    now: datetime,
) -> UUID:
    """The candidate's id; raises as `require_activatable`, which looks again."""
    require_activation_open(await store.sessions.load_all(), now)
    record = await require_activatable(accounts, store, older, claim, for_update=True)
    wanted = [replace(record, mobile=claim.mobile)]
    admitted = await admit_older(
        accounts, store, older, wanted, password_hash, actor=actor, now=now
    )
    if not admitted:
        raise DomainError("ACCOUNT_EXISTS")
    return admitted[claim.ticket_number]


def _require_owner(record: OlderRecord, claim: ActivationClaim) -> None:
    if record.document is None and is_same_name(record.name, claim.name):
        raise DomainError("RECORD_INCOMPLETE")
    if not Person(record.document, record.name).is_same(claim.person):
        raise DomainError("ACTIVATION_DATA_MISMATCH")


async def _why_not(store: Store, number: StoredNumber, claim: ActivationClaim) -> DomainError:
    """Whether a number is activated, or has ended, hears only whose it is."""
    if number.candidate_id is None:
        return DomainError("ACTIVATION_DATA_MISMATCH")
    owner = await store.get_registration(number.candidate_id)
    if not Person(owner.document, owner.personal.name).is_same(claim.person):
        return DomainError("ACTIVATION_DATA_MISMATCH")
    in_use = number.status is NumberStatus.CURRENT
    return DomainError("ALREADY_ACTIVATED" if in_use else "TICKET_NUMBER_ENDED")
