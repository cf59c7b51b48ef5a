"""`python -m zikao_sandbox.outside`: what registration reaches out to, in one process.

SMS gateway, identity provider and a mail server that delivers nothing, for whoever tries the
services on one machine. gRPC offers their health, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from zikao.options.v1 import errors_pb2
from zikao_kit.cli import config_option, refusing_bad_config
from zikao_kit.clock import clock_of
from zikao_kit.config import ClockConfig, LogConfig, ServerConfig, load_config, read_secret
from zikao_kit.logs import configure_logging
from zikao_kit.server import ServiceDefinition, run, serve
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_sandbox.https import serving_https
from zikao_sandbox.identity_provider import Client, IdentityProvider, Persona
from zikao_sandbox.mail_sink import MailSink, serving_mail
from zikao_sandbox.sms_gateway import SmsGateway

PERSONAS = {
    "ayi": Persona("阿依古丽·买买提", "513101198201130014"),
    "weak": Persona("仅有一级认证", "34052419800101001X", acr="L1"),
}


@dataclass(frozen=True)
class OutsideConfig:
    """Where each listens, `host:port`, and the one secret that its clients show."""

    server: ServerConfig
    secret_file: Path
    sms_listen: str
    mail_listen: str
    mail_folder: Path
    identity_listen: str
    redirect_uri: str
    log: LogConfig = field(default_factory=LogConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)


async def serve_outside(config: OutsideConfig) -> None:
    """Serve until cancelled."""
    secret, clock = read_secret(config.secret_file), clock_of(config.clock)
    files = config.server.tls
    client = Client("registration", secret, config.redirect_uri)
    issuer = f"https://{config.identity_listen}"
    provider = IdentityProvider(issuer, client, clock, PERSONAS)
    config.mail_folder.mkdir(parents=True, exist_ok=True)
    sink = MailSink("registration", secret, config.mail_folder)

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            sms = serving_https(SmsGateway(secret).app(), files, config.sms_listen)
            identity = serving_https(provider.app(), files, config.identity_listen)
            for peer in (sms, identity, serving_mail(sink, files, config.mail_listen)):
                await stack.enter_async_context(peer)
            yield []

    await serve(
        open_services,
        config=config.server,
        domain="outside",
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(TrustedKeys().get, clock),
        contracts=[],
    )


@click.command()
@config_option
def main(path: Path | None) -> None:
    """Serve them (configuration: YAML and ZIKAO_OUTSIDE__…)."""
    with refusing_bad_config():
        config = load_config(OutsideConfig, path, os.environ, "ZIKAO_OUTSIDE")
        configure_logging("outside", config.log)
        run(lambda: serve_outside(config))


if __name__ == "__main__":
    main()
