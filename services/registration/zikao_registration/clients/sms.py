"""SMS through an HTTP gateway: one POST of JSON a message, with a bearer key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from zikao_kit.config import (
    HOUR_SECONDS,
    SHORTEST_SECONDS,
    read_secret,
    require_within,
    tls_context,
)

from zikao_registration.domain.messages import NotSent, OutgoingMessage

SMS_TIMEOUT_SECONDS = 10.0
# A refusal, but for "too slow" and "too many", stays one.
PERMANENT_STATUSES = frozenset(range(400, 500)) - {408, 429}


@dataclass(frozen=True)
class SmsConfig:
    """The gateway: where messages are posted, and the file with our key to it."""

    url: str
    key_file: Path
    ca_file: Path | None = None
    timeout_seconds: float = SMS_TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        """Refuse to send codes in the clear."""
        if not self.url.startswith("https://"):
            raise ValueError("url must begin with https://")
        require_within(self, timeout_seconds=(SHORTEST_SECONDS, HOUR_SECONDS))


class SmsClient:
    """Posts messages; from `open_sms`."""

    def __init__(self, config: SmsConfig, session: aiohttp.ClientSession) -> None:
        self._url = config.url
        self._session = session

    async def send(self, message: OutgoingMessage) -> None:
        """Return once the gateway has taken it; raises NotSent.

        The id is the same at each try: a gateway that knows it need not send twice.
        """
        body = {
            "message_id": str(message.message_id),
            "mobile": message.recipient,
            "text": message.text,
        }
        try:
            async with self._session.post(self._url, json=body, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        if status not in range(200, 300):
            raise NotSent(f"status {status}", final=status in PERMANENT_STATUSES)


@asynccontextmanager
async def open_sms(config: SmsConfig) -> AsyncIterator[SmsClient]:
    """The client, with its connections; raises ConfigError when a file cannot be used."""
    connector = aiohttp.TCPConnector(ssl=tls_context(config.ca_file))
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=config.timeout_seconds),
        headers={"Authorization": f"Bearer {read_secret(config.key_file)}"},
    ) as session:
        yield SmsClient(config, session)
