"""Send a one-time code to where the candidate is reached (DOMAIN section 3, Recovery)."""

import secrets
from datetime import datetime, timedelta
from uuid import uuid4

from zikao_registration.commands.find_claimed import find_claimed
from zikao_registration.domain.messages import Channel, code_message
from zikao_registration.domain.recovery import CODE_DIGITS, CODE_MINUTES, Claim, contact
from zikao_registration.stores.recoveries import Recovery
from zikao_registration.stores.recovery_desk import RecoveryDesk


async def start_password_recovery(
    stores: RecoveryDesk, claim: Claim, channel: Channel, *, now: datetime
) -> Recovery:
    """The recovery, with its message on the way.

    For a claim that is nobody's, and for somebody who cannot be reached so, the same is done:
    the recovery is of no account, the message to nobody.
    """
    claimed = await find_claimed(stores, claim)
    recipient = contact(claimed.personal, channel) if claimed else ""
    account_id = claimed.candidate_id if claimed and recipient else None
    # Whole seconds: the answer is as long for everybody.
    expires_at = now.replace(microsecond=0) + timedelta(minutes=CODE_MINUTES)
    recovery = Recovery(uuid4(), account_id, channel, expires_at)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    await stores.recoveries.insert_recovery(recovery, code)
    await stores.messages.insert(code_message(channel, recipient, code, CODE_MINUTES, expires_at))
    return recovery
