"""Hand messages over, at least once each, until they expire (DOMAIN section 3, Recovery).

Several processes may do so at once. Nothing of the database is held while a server is waited
for: a lease keeps others away, and outlasts the longest try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import structlog

from zikao_registration.domain.messages import NotSent
from zikao_registration.message_store import LeasedMessage, MessageStore
from zikao_registration.messenger import Messenger

MESSAGES_AT_ONCE = 16
SENDING_SECONDS = 30.0
LEASE_SECONDS = 60.0
FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 120.0

OpenMessages = Callable[[], AbstractAsyncContextManager[MessageStore]]
log = structlog.get_logger()


async def send_messages(open_messages: OpenMessages, messenger: Messenger, now: datetime) -> bool:
    """Send some that are due; whether there may be more."""
    async with open_messages() as store:
        leased = await store.lease(MESSAGES_AT_ONCE, LEASE_SECONDS)
    await asyncio.gather(*(_deliver(open_messages, messenger, each, now) for each in leased))
    return len(leased) == MESSAGES_AT_ONCE


async def _deliver(
    open_messages: OpenMessages, messenger: Messenger, leased: LeasedMessage, now: datetime
) -> None:
    message = leased.message
    retry_seconds = None
    if message.recipient and now < message.expires_at and messenger.has(message.channel):
        retry_seconds = await _try_to_send(messenger, leased)
    async with open_messages() as store:
        if retry_seconds is None:
            await store.delete(message.message_id)
        else:
            await store.postpone(message.message_id, retry_seconds)


async def _try_to_send(messenger: Messenger, leased: LeasedMessage) -> float | None:
    """Seconds until the next try; None when there is to be none."""
    try:
        async with asyncio.timeout(SENDING_SECONDS):
            await messenger.send(leased.message)
    except (NotSent, TimeoutError) as error:
        final = isinstance(error, NotSent) and error.final
        log.warning(
            "message not sent",
            message_id=str(leased.message.message_id),
            channel=leased.message.channel,
            tries=leased.tries,
            cause=str(error) or type(error).__name__,
            final=final,
        )
        wait = min(FIRST_RETRY_SECONDS * 2.0 ** (leased.tries - 1), MAX_RETRY_SECONDS)
        return None if final else wait
    return None
