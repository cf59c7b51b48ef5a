"""Hand messages over, at least once each, until they expire (DOMAIN section 3, Recovery).

Each channel is worked on by itself: a mail server that hangs holds no SMS up. A message that
cannot be sent keeps no other from being sent. Several processes may work at once. Nothing of the
database is held while a server is waited for: a lease keeps others away, and outlasts the
longest try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import structlog
from prometheus_client import Counter

from zikao_registration.clients.messenger import Messenger
from zikao_registration.domain.messages import Channel, NotSent, OutgoingMessage
from zikao_registration.stores.messages import LeasedMessage, MessageStore

MESSAGES_AT_ONCE = 16
SENDING_SECONDS = 30.0
LEASE_SECONDS = 60.0
FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 120.0

ENDED = Counter(
    "zikao_registration_messages_ended_total",
    "Messages that were sent, given up (failed), expired, or for nobody (dropped).",
    ["channel", "outcome"],
)

OpenMessages = Callable[[], AbstractAsyncContextManager[MessageStore]]
log = structlog.get_logger()


async def send_messages(
    open_messages: OpenMessages, messenger: Messenger, channel: Channel, now: datetime
) -> bool:
    """Send some of a channel that are due; whether there may be more."""
    async with open_messages() as store:
        leased = await store.lease(channel, now, MESSAGES_AT_ONCE, LEASE_SECONDS)
    deliveries = (_deliver(open_messages, messenger, each) for each in leased)
    for outcome in await asyncio.gather(*deliveries, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return len(leased) == MESSAGES_AT_ONCE


async def _deliver(
    open_messages: OpenMessages, messenger: Messenger, leased: LeasedMessage
) -> None:
    if leased.message is None:
        # Another process may have the key, or this one when the lease has ended.
        _log_not_sent(leased, "cannot be decrypted", final=False)
        return
    outcome: str | float = "dropped"
    if leased.message.recipient:
        outcome = await _try_to_send(messenger, leased, leased.message)
    async with open_messages() as store:
        if isinstance(outcome, float):
            await store.postpone(leased.message_id, outcome)
            return
        await store.delete(leased.message_id)
    ENDED.labels(leased.channel, outcome).inc()


async def _try_to_send(
    messenger: Messenger, leased: LeasedMessage, message: OutgoingMessage
) -> str | float:
    """What became of it: sent, failed, or seconds until the next try."""
    try:
        async with asyncio.timeout(SENDING_SECONDS):
            await messenger.send(message)
    except (NotSent, TimeoutError) as error:
        final = isinstance(error, NotSent) and error.final
        _log_not_sent(leased, str(error) or type(error).__name__, final=final)
        wait = min(FIRST_RETRY_SECONDS * 2.0 ** (leased.tries - 1), MAX_RETRY_SECONDS)
        return "failed" if final else wait
    except Exception as error:  # the message's own fault: it would be so the next time
        # Without the text, which may quote the recipient.
        _log_not_sent(leased, type(error).__name__, final=True)
        return "failed"
    return "sent"


def _log_not_sent(leased: LeasedMessage, cause: str, *, final: bool) -> None:
    log.warning(
        "message not sent",
        message_id=str(leased.message_id),
        channel=leased.channel,
        tries=leased.tries,
        cause=cause,
        final=final,
    )
