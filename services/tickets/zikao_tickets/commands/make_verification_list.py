"""The signed list of a session for scanners (DOMAIN section 5)."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from zikao_tickets.domain.proof_key import key_epoch
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.verification_list import ListContent


class NumberedList(NamedTuple):
    """A signed list as a file."""

    file: bytes
    number: int
    key_epoch: int


async def make_verification_list(
    store: ProofKeyStore, signer: ProofSigner, session_code: str, now: datetime
) -> NumberedList:
    """Make the list of a session that there is.

    The keys are those of the database, not this process's: lists of two processes agree. Whoever
    makes one waits for who makes one of the same session, so that a larger number never has less
    in it.
    """
    await store.lock_list(session_code)
    keys = await store.list_all()
    public = {key.key_id: key.private_key.public_key() for key in keys if not key.retired}
    epoch, revoked = key_epoch(keys), await store.revoked(session_code)
    content = ListContent(session_code, public, epoch, revoked, now)
    # A hundred thousand revoked tickets take a tenth of a second: not on the event loop.
    digest = await asyncio.to_thread(content.digest)
    number = await store.number_list(session_code, digest, now)
    key = signer.key
    file = await asyncio.to_thread(content.signed, number, key.key_id, key.private_key)
    return NumberedList(file, number, epoch)
