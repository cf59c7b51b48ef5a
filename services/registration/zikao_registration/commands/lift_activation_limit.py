"""Let an older candidate activate whom others' attempts keep from it (DOMAIN section 3)."""

from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.commands.complete_older_record import find_imported
from zikao_registration.commands.limit_recoveries import ticket_number_key
from zikao_registration.domain.recovery import Purpose
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def lift_activation_limit(
    stores: RecoveryDesk, number: str, *, actor: Actor, now: datetime
) -> None:
    """Forget what was tried of a number and of its document.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE.
    """
    held = await find_imported(stores.candidates, stores.older, number, actor=actor)
    record = held.stored.record
    await stores.recoveries.forget(ticket_number_key(number), [Purpose.ACTIVATION])
    if record and record.document:
        await stores.recoveries.forget(record.document.person_key, [Purpose.ACTIVATION])
    said = {"ticket_number": number}
    await stores.candidates.audit(
        actor, "lift_activation_limit", now, after=said, county_code=held.county_code
    )
