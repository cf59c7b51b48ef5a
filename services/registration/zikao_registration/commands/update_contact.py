"""Where a candidate is reached (DOMAIN section 3, Recovery)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.messages import Channel, Notice, notice_message
from zikao_registration.domain.recovery import (
    CONTACT_CHANGES_A_DAY,
    DAY,
    NOTICE_LIFETIME,
    Purpose,
    contact,
)
from zikao_registration.domain.states import STATE_NAMES_ZH, State
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def update_contact(
    stores: RecoveryDesk, mobile: str, email: str, *, actor: Actor, now: datetime
) -> None:
    """Replace the actor's contacts, and tell the replaced ones.

    Codes on their way to the old ones are void. Raises DomainError NOT_FOUND,
    CONTACT_CHANGES_LIMITED, and STATE_NOT_ALLOWED before approval: an application is edited as
    a whole.
    """
    before = await stores.candidates.get_registration(UUID(actor.subject), for_update=True)
    if before.state is not State.APPROVED:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[before.state])
    personal = replace(before.personal, mobile=mobile, email=email)
    old, new = ({each: contact(of, each) for each in Channel} for of in (before.personal, personal))
    changed = [channel for channel in Channel if old[channel] != new[channel]]
    if not changed:
        return
    await _count(stores, before.candidate_id, now)
    await stores.candidates.update_registration(replace(before, personal=personal, updated_at=now))
    await stores.recoveries.void_recoveries(before.candidate_id)
    for channel in changed:
        if old[channel]:
            expires_at = now + NOTICE_LIFETIME
            notice = notice_message(Notice.CONTACT_CHANGED, channel, old[channel], expires_at)
            await stores.messages.insert(notice)
    names = {"changed": [str(channel) for channel in changed]}
    await stores.candidates.audit(actor, "update_contact", now, before.candidate_id, after=names)


async def _count(stores: RecoveryDesk, candidate_id: UUID, now: datetime) -> None:
    """Each change tells the contact before it: a number of somebody's would be told all day."""
    changes, first_at = await stores.recoveries.count(
        Purpose.CONTACT_CHANGE, str(candidate_id), now, now - DAY
    )
    if changes > CONTACT_CHANGES_A_DAY:
        raise DomainError("CONTACT_CHANGES_LIMITED", retry_after=first_at + DAY - now)
