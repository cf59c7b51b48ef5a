"""Give an account another password, for one who could not show the last one."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.find_claimed import find_registration
from zikao_registration.commands.notify_candidate import notify
from zikao_registration.domain.documents import Document
from zikao_registration.domain.logins import Tried
from zikao_registration.domain.messages import Notice
from zikao_registration.domain.registration import Registration
from zikao_registration.stores.recovery_desk import RecoveryDesk

PROVINCE_SCOPE_DIGITS = 2


async def reset_password(
    stores: RecoveryDesk,
    candidate_id: UUID,
    password_hash: str | None,
    *,
    by: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Set it, end every login, void every code, and tell the candidate.

    `by` is the way it was proven, for the audit trail. None is the initial password. Who has
    proven to be this person need not wait for what others have tried.
    """
    candidate = await stores.candidates.get_registration(candidate_id, for_update=True)
    await stores.accounts.get_account(candidate_id, for_update=True)
    await stores.accounts.set_password(candidate_id, password_hash)
    await stores.accounts.revoke_logins(candidate_id, now)
    await stores.accounts.forget_attempts(Tried.LOGIN, candidate.document.number)
    await stores.accounts.forget_attempts_of(candidate_id)
    await stores.accounts.forget_attempts(Tried.PROOF, str(candidate_id))
    await stores.recoveries.void_recoveries(candidate_id)
    await notify(stores.messages, candidate.personal, Notice.PASSWORD_RESET, now)
    await stores.candidates.audit(actor, "reset_password", now, candidate_id, after={"by": by})


async def reset_candidate_password(
    stores: RecoveryDesk,
    document: Document,
    reason: str,
    *,
    contacts_confirmed: bool,
    actor: Actor,
    now: datetime,
) -> UUID:
    """Reset to the initial password at the office; return the candidate's id.

    What somebody else may have set to come back with goes: the security question, and contacts
    that the person has not confirmed.

    Raises DomainError NOT_FOUND, also for other offices' candidates: whether somebody is
    registered, and where, is not to be learnt from a document number.
    """
    found = await find_registration(stores, document)
    if found is None or not _covers(actor, found):
        raise DomainError(NOT_FOUND)
    by = f"office: {reason}" + ("" if contacts_confirmed else ", contacts removed")
    await reset_password(stores, found.candidate_id, None, by=by, actor=actor, now=now)
    await stores.recoveries.forget(document.person_key)
    await stores.recoveries.delete_answer(found.candidate_id)
    if not contacts_confirmed:
        await _remove_contacts(stores, found.candidate_id, now)
    return found.candidate_id


def _covers(actor: Actor, registration: Registration) -> bool:
    """Who has named no county yet is the province's."""
    county_code = registration.personal.county_code
    return actor.covers(county_code or actor.scope[:PROVINCE_SCOPE_DIGITS])


async def _remove_contacts(stores: RecoveryDesk, candidate_id: UUID, now: datetime) -> None:
    """The candidate, who is locked, names others with the new password."""
    before = await stores.candidates.get_registration(candidate_id)
    personal = replace(before.personal, mobile="", email="")
    await stores.candidates.update_registration(replace(before, personal=personal, updated_at=now))
