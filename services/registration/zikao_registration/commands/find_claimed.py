"""Whom a document, with a number or a name, belongs to (DOMAIN section 3, Recovery)."""

from zikao_registration.domain.documents import Document
from zikao_registration.domain.recovery import Claim, is_same_name
from zikao_registration.domain.registration import Registration
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def find_claimed(stores: RecoveryDesk, claim: Claim) -> Registration | None:
    """The registration of the person with this document, if the ticket number is theirs."""
    found = await find_registration(stores, claim.document)
    return found if found and found.ticket_number == claim.ticket_number else None


async def find_ticket_number(stores: RecoveryDesk, document: Document, name: str) -> str:
    """The ticket number of the person with this document and name; empty without a match.

    Also one that waits to be activated; of several the first: activation says that they must
    be merged. The same is asked of the database for everybody.
    """
    found = await find_registration(stores, document)
    waiting = await stores.older.get_numbers(await stores.older.other_numbers(document, []))
    numbers = {found.ticket_number: found.personal.name} if found and found.ticket_number else {}
    numbers |= {number: each.record.name for number, each in waiting.items() if each.record}
    return next((number for number in numbers if is_same_name(numbers[number], name)), "")


async def find_registration(stores: RecoveryDesk, document: Document) -> Registration | None:
    """The registration of the person with this document."""
    account = await stores.accounts.find_account_of(document)
    found = await stores.candidates.get_registrations([account.account_id]) if account else []
    return found[0] if found else None
