"""Sends what is to be told to candidates; several processes may do so at once."""

from zikao_registration.commands.send_messages import send_messages
from zikao_registration.parts import Parts


class MessageWorker:
    """Hands messages over to the mail server and the SMS gateway."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def work(self) -> bool:
        """Send some; True when there may be more."""
        parts = self._parts
        return await send_messages(parts.open_messages, parts.messenger, parts.clock.now())
