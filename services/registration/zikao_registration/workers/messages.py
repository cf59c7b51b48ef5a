"""Sends what is to be told to candidates; several processes may do so at once."""

from zikao_registration.commands.drop_messages import drop_messages
from zikao_registration.commands.send_messages import send_messages
from zikao_registration.domain.messages import Channel
from zikao_registration.parts import Parts


class MessageWorker:
    """Hands messages of one channel over, to the mail server or the SMS gateway."""

    def __init__(self, parts: Parts, channel: Channel) -> None:
        self._parts = parts
        self._channel = channel

    async def work(self) -> bool:
        """Send some; True when there may be more."""
        parts, now = self._parts, self._parts.clock.now()
        return await send_messages(parts.open_messages, parts.messenger, self._channel, now)


class ExpiredMessageWorker:
    """Drops what nobody is to be told any more."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Drop some; True when there may be more."""
        async with self._parts.open_messages() as store:
            return await drop_messages(store, self._parts.clock.now())
