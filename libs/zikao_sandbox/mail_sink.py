"""An SMTP server that delivers nothing: it keeps what it gets, in memory and as .eml files."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from zikao_kit.config import CertFiles

from zikao_sandbox.https import server_tls, split_address

REFUSED = "550 5.1.1 no such mailbox"
# It logs who writes to whom.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class MailSink:
    """Takes mail from one user, over TLS only."""

    def __init__(self, user: str, password: str, folder: Path | None = None) -> None:
        """`folder` gets a file a mail."""
        self._user, self._password = user.encode(), password.encode()
        self._folder = folder
        self.mails: list[EmailMessage] = []
        self.answers: list[str] = []
        """What the next recipients are answered, instead of being taken."""
        self.delay_seconds = 0.0
        """How long each mail takes."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail."""
        await asyncio.sleep(self.delay_seconds)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append(mail)
        if self._folder:
            path = self._folder / f"{len(self.mails):04}.eml"
            await asyncio.to_thread(path.write_bytes, envelope.content)
        return "250 kept"

    def authenticate(
        self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, given: Any
    ) -> AuthResult:
        """Know the one user."""
        is_known = (
            isinstance(given, LoginPassword)
            and hmac.compare_digest(given.login, self._user)
            and hmac.compare_digest(given.password, self._password)
        )
        return AuthResult(success=is_known, handled=False)


@asynccontextmanager
async def serving_mail(
    sink: MailSink, files: CertFiles, listen: str, *, tls_at_once: bool = False
) -> AsyncIterator[None]:
    """Serve while the block runs; with STARTTLS, or with TLS from the first byte."""
    loop, tls = asyncio.get_running_loop(), server_tls(files)

    def protocol() -> SMTP:
        return SMTP(
            sink,
            hostname="localhost",
            tls_context=None if tls_at_once else tls,
            require_starttls=not tls_at_once,
            # It knows only of TLS that it has begun itself.
            auth_required=not tls_at_once,
            auth_require_tls=not tls_at_once,
            authenticator=sink.authenticate,
            loop=loop,
        )

    host, port = split_address(listen)
    server = await loop.create_server(protocol, host, port, ssl=tls if tls_at_once else None)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
