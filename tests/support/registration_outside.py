"""What registration reaches out to: mail, SMS, a government, over TLS on loopback."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.service import free_port, until
from zikao_kit.clock import OffsetClock
from zikao_kit.tls import DevelopmentCa
from zikao_registration.clients.identity_tokens import IdentityProviderConfig
from zikao_registration.clients.mail import MailConfig
from zikao_registration.clients.sms import SmsConfig
from zikao_sandbox.https import serving_https
from zikao_sandbox.identity_provider import Client, IdentityProvider
from zikao_sandbox.mail_sink import MailSink, serving_mail
from zikao_sandbox.sms_gateway import SmsGateway

REDIRECT_URI = "https://portal.example/login"
SECRET = "a secret of the installation, & one long enough"


@dataclass(frozen=True)
class Outside:
    """The peers, and what registration is told of them."""

    mail: MailSink
    sms: SmsGateway
    provider: IdentityProvider
    settings: dict[str, Any]

    def sms_code(self, mobile: str) -> str:
        """The newest code on a phone."""
        texts = [sms.text for sms in self.sms.arrived if sms.mobile == mobile]
        return code_in([text for text in texts if "验证码为" in text][-1])

    async def until_sms(self, count: int = 1) -> None:
        """Wait for so many SMS."""
        await until(lambda: len(self.sms.arrived) >= count)

    async def until_mail(self, count: int = 1) -> None:
        """Wait for so many mails."""
        await until(lambda: len(self.mail.mails) >= count)


def code_in(text: str) -> str:
    """The one-time code in a message."""
    (code,) = re.findall(r"验证码为(\d{6})", text)
    return str(code)


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """Mail and SMS while the block runs, with certificates of the folder's authority."""
    files = DevelopmentCa(folder / "certs").issue("outside")
    secret_file = folder / "outside.secret"
    secret_file.write_text(SECRET)
    mail_port, sms_port, identity_port = free_port(), free_port(), free_port()
    issuer = f"https://localhost:{identity_port}"
    client = Client("registration", SECRET, REDIRECT_URI)
    clock = OffsetClock(folder / "clock.json")
    provider = IdentityProvider(issuer, client, clock, {})
    mail, sms = MailSink("registration", SECRET), SmsGateway(SECRET)
    settings = {
        "mail": MailConfig(
            host="localhost",
            port=mail_port,
            sender="no-reply@zikao.example",
            ca_file=files.ca_file,
            user="registration",
            password_file=secret_file,
        ),
        "sms": SmsConfig(
            url=f"https://localhost:{sms_port}/v1/messages",
            key_file=secret_file,
            ca_file=files.ca_file,
        ),
        "identity_provider": IdentityProviderConfig(
            issuer=issuer,
            client_id="registration",
            client_secret_file=secret_file,
            redirect_uri=REDIRECT_URI,
            ca_file=files.ca_file,
            timeout_seconds=1.0,
            keys_pause_seconds=0.1,
        ),
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving_mail(mail, files, f"127.0.0.1:{mail_port}"))
        await stack.enter_async_context(serving_https(sms.app(), files, f"127.0.0.1:{sms_port}"))
        identity = serving_https(provider.app(), files, f"127.0.0.1:{identity_port}")
        await stack.enter_async_context(identity)
        yield Outside(mail, sms, provider, settings)
