"""Tell candidates what was done with their account, in case that it was somebody else."""

from datetime import datetime
from uuid import UUID

from zikao_registration.domain.messages import Channel, Notice, notice_message
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.recovery import (
    DAY,
    NOTICE_LIFETIME,
    NOTICES_A_DAY,
    Purpose,
    contact,
)
from zikao_registration.stores.messages import MessageStore
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def notify(
    messages: MessageStore, personal: PersonalData, notice: Notice, now: datetime
) -> None:
    """Tell it to wherever the candidate is reached."""
    for channel in Channel:
        if recipient := contact(personal, channel):
            expires_at = now + NOTICE_LIFETIME
            await messages.insert(notice_message(notice, channel, recipient, expires_at))


async def notify_of_own(
    stores: RecoveryDesk, candidate_id: UUID, notice: Notice, now: datetime
) -> None:
    """Tell what the candidate could do again and again, NOTICES_A_DAY times a day."""
    subject, lapsed_at = str(candidate_id), now - DAY
    told, _ = await stores.recoveries.count(Purpose.NOTICE, subject, now, lapsed_at)
    if told <= NOTICES_A_DAY:
        candidate = await stores.candidates.get_registration(candidate_id)
        await notify(stores.messages, candidate.personal, notice, now)
