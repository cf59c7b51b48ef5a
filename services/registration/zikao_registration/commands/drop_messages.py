"""Drop messages that have expired, and show operators how many wait.

Those of channels that this process does not have, too: it may be the only one left.
"""

from datetime import datetime

import structlog
from prometheus_client import Gauge

from zikao_registration.commands.send_messages import ENDED
from zikao_registration.domain.messages import Channel
from zikao_registration.stores.messages import LeasedMessage, MessageStore

DROPPED_AT_ONCE = 100

# All processes see the same table.
WAITING = Gauge("zikao_registration_messages_waiting", "Messages to hand over.", ["channel"])

log = structlog.get_logger()


async def drop_messages(store: MessageStore, now: datetime) -> bool:
    """Drop some that have expired; whether there may be more."""
    expired = await store.take_expired(now, DROPPED_AT_ONCE)
    for each in expired:
        _count(each)
    waiting = await store.count_waiting()
    for channel in Channel:
        WAITING.labels(channel).set(waiting.get(channel, 0))
    return len(expired) == DROPPED_AT_ONCE


def _count(expired: LeasedMessage) -> None:
    """One to nobody was never to be sent."""
    if expired.message and not expired.message.recipient:
        ENDED.labels(expired.channel, "dropped").inc()
        return
    ENDED.labels(expired.channel, "expired").inc()
    message_id, channel = str(expired.message_id), expired.channel
    log.warning("message expired", message_id=message_id, channel=channel, tries=expired.tries)
