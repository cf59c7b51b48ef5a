"""The channels on which this installation reaches candidates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from zikao_kit.errors import DomainError

from zikao_registration.clients.mail import MailClient, MailConfig
from zikao_registration.clients.sms import SmsConfig, open_sms
from zikao_registration.domain.messages import Channel, OutgoingMessage


class Sender(Protocol):
    """A way to hand over messages."""

    async def send(self, message: OutgoingMessage) -> None:
        """Return once it was taken; raises NotSent."""
        ...


class Messenger:
    """Sends on the channels that are configured."""

    def __init__(self, senders: Mapping[Channel, Sender]) -> None:
        self._senders = dict(senders)

    @property
    def channels(self) -> frozenset[Channel]:
        """How messages can travel."""
        return frozenset(self._senders)

    def require(self, channel: Channel) -> None:
        """Raise DomainError CHANNEL_NOT_CONFIGURED: the same for everybody who asks."""
        if channel not in self._senders:
            raise DomainError("CHANNEL_NOT_CONFIGURED")

    async def send(self, message: OutgoingMessage) -> None:
        """Hand a message over; raises NotSent."""
        await self._senders[message.channel].send(message)


@asynccontextmanager
async def open_messenger(
    mail: MailConfig | None, sms: SmsConfig | None
) -> AsyncIterator[Messenger]:
    """The messenger with its connections; raises ConfigError for files that cannot be used."""
    async with AsyncExitStack() as stack:
        senders: dict[Channel, Sender] = {}
        if mail:
            senders[Channel.EMAIL] = MailClient(mail)
        if sms:
            senders[Channel.SMS] = await stack.enter_async_context(open_sms(sms))
        yield Messenger(senders)
