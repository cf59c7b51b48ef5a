"""E-mail through the province's SMTP server, always over TLS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

import aiosmtplib
from zikao_kit.config import (
    HOUR_SECONDS,
    SHORTEST_SECONDS,
    read_secret,
    require_within,
    tls_context,
)

from zikao_registration.domain.messages import NotSent, OutgoingMessage

SUBMISSION_PORT = 587
SMTP_TIMEOUT_SECONDS = 15.0
PERMANENT_SMTP_CODE = 500


@dataclass(frozen=True)
class MailConfig:
    """The SMTP server and who writes; `ca_file` where its authority is not a public one."""

    host: str
    sender: str
    port: int = SUBMISSION_PORT
    security: Literal["starttls", "tls"] = "starttls"
    ca_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    timeout_seconds: float = SMTP_TIMEOUT_SECONDS

    def __post_init__(self) -> None:
        """Refuse what no server would take."""
        if "@" not in self.sender or (self.user is None) != (self.password_file is None):
            raise ValueError("sender must be an address, and user and password_file go together")
        if not self.host:
            raise ValueError("host must name a server")
        require_within(self, port=(1, 65535), timeout_seconds=(SHORTEST_SECONDS, HOUR_SECONDS))


class MailClient:
    """Hands over one message a connection."""

    def __init__(self, config: MailConfig) -> None:
        """Read the password and the authority; raises ConfigError."""
        self._config = config
        self._tls = tls_context(config.ca_file)
        self._password = read_secret(config.password_file) if config.password_file else None

    async def send(self, message: OutgoingMessage) -> None:
        """Return once the server has taken it; raises NotSent, ValueError for no one address."""
        config = self._config
        try:
            await aiosmtplib.send(
                self._mail(message),
                recipients=[message.recipient],
                hostname=config.host,
                port=config.port,
                use_tls=config.security == "tls",
                start_tls=config.security == "starttls",
                tls_context=self._tls,
                username=config.user,
                password=self._password,
                timeout=config.timeout_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            codes = [each.code for each in refused.recipients]
            final = all(code >= PERMANENT_SMTP_CODE for code in codes)
            raise NotSent(f"recipient refused: {codes}", final=final) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # From None: a server's words may quote the recipient.
            raise NotSent(type(error).__name__) from None

    def _mail(self, message: OutgoingMessage) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._config.sender
        # One address as it is: a text would be read for lists and encoded words.
        mail["To"] = Address(addr_spec=message.recipient)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(datetime.now(UTC))
        # The same at each try, so that a mailbox shows it once.
        mail["Message-ID"] = f"<{message.message_id}@{self._config.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail
