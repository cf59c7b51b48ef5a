"""Set a new password with a code that was sent (DOMAIN section 3, Recovery)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.reset_password import reset_password
from zikao_registration.domain.passwords import check_password
from zikao_registration.domain.recovery import CODE_TRIES
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def require_code(
    stores: RecoveryDesk, recovery_id: UUID, code: str, new_password: str, *, now: datetime
) -> None:
    """Count a try, then look at the code, before the password is worth hashing.

    Raises DomainError RECOVERY_FAILED, and PASSWORD_REFUSED to one whose code is right. The
    count is to be committed, whatever this raises.
    """
    recovery = await stores.recoveries.try_code(recovery_id, code, now, CODE_TRIES)
    if recovery is None or recovery.account_id is None:
        raise DomainError("RECOVERY_FAILED")
    candidate = await stores.candidates.get_registration(recovery.account_id)
    check_password(new_password, document_number=candidate.document.number)


async def complete_password_recovery(
    stores: RecoveryDesk, recovery_id: UUID, password_hash: str, *, actor: Actor, now: datetime
) -> None:
    """Use up a recovery whose code was right, and set the password. Raises RECOVERY_FAILED.

    Of two that come with the right code at once, one is too late. The candidate is locked
    before the recovery, for another recovery of the same voids this one.
    """
    candidate_id = await stores.recoveries.find_owner(recovery_id)
    if candidate_id is None:
        raise DomainError("RECOVERY_FAILED")
    await stores.candidates.get_registration(candidate_id, for_update=True)
    taken = await stores.recoveries.take_recovery(recovery_id)
    if taken is None:
        raise DomainError("RECOVERY_FAILED")
    by = f"code: {taken.channel}"
    await reset_password(stores, candidate_id, password_hash, by=by, actor=actor, now=now)
