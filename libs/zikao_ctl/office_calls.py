"""What the commands of offices have in common: in whose name they call, and how they say it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc
from google.protobuf.message import Message
from zikao_client import CallFailed, bearer, patiently
from zikao_client.calls import PATIENCE_SECONDS
from zikao_kit.config import CertFiles

from zikao_ctl.export_files import ExportFailed
from zikao_ctl.installation import Targets, certificate_of, open_operator_channel
from zikao_ctl.options import FILE, F, caller_option, certs_option, target_option
from zikao_ctl.token_file import read_token

CALL_SECONDS = 20.0
MOST_OF_A_PAGE = 100

Metadata = tuple[tuple[str, str], ...]
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound="OfficeCalls")


class OfficeCalls:
    """Calls in the name of a certificate, or of an officer whose token is given."""

    call_seconds = CALL_SECONDS
    patience_seconds = PATIENCE_SECONDS
    """How long a service may be away."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        """`token`: an officer's access token, or nothing."""
        self.channel = channel
        self.metadata: Metadata = bearer(token) if token else ()

    async def ask(self, method: Callable[..., Awaitable[R]], request: Message) -> R:
        """Make a call, again while the answer is "not now"; raises CallFailed."""
        return await patiently(
            lambda: method(request, metadata=self.metadata, timeout=self.call_seconds),
            self.patience_seconds,
        )

    async def pages(self, method: Callable[..., Awaitable[Any]], request: Any) -> list[Any]:
        """Every page of a list, whose answers come one by one; raises CallFailed."""
        pages = []
        while True:
            pages.append(await self.ask(method, request))
            request.page_token = pages[-1].next_page_token
            if not request.page_token:
                return pages


@asynccontextmanager
async def calling(
    target: str, files: CertFiles, token_file: Path | None, kind: type[C]
) -> AsyncIterator[C]:
    """Calls over one connection, in the name of an officer whose token is given."""
    token = "" if token_file is None else read_token(token_file)
    async with open_operator_channel(target, files) as channel:
        yield kind(channel, token)


def office_options(command: F) -> F:
    """Where tickets listens, with which certificate, and in whose name."""
    return officer_options(target_option("tickets", Targets.tickets)(command))


def officer_options(command: F) -> F:
    """With which certificate, and in whose name."""
    for option in (
        certs_option,
        caller_option,
        click.option(
            "--token-file",
            type=FILE,
            help="An officer's access token (`zikao login`); without it the certificate must do.",
        ),
    ):
        command = option(command)
    return command


def session_option(command: F) -> F:
    """Which session."""
    option = click.option("--session", "session_code", required=True, help="Code of it, e.g. 22.1.")
    return option(command)


def area_options(command: F) -> F:
    """Which counties of which session."""
    option = click.option("--county", required=True, help="Code of a county, city or province.")
    return session_option(option(command))


def run_calls(
    kind: type[C],
    work: Callable[[C], Awaitable[T]],
    where: Mapping[str, Any],
    service: str = "tickets",
) -> T:
    """Do something with a service; `where` has the values of `office_options`.

    What it refuses becomes the command's error.
    """

    async def run() -> T:
        files = certificate_of(where["certs"], where["caller"])
        async with calling(where[service], files, where["token_file"], kind) as calls:
            return await work(calls)

    try:
        return asyncio.run(run())
    except (CallFailed, ExportFailed, OSError) as error:
        raise click.ClickException(in_words(error)) from error


def in_words(error: Exception) -> str:
    """What went wrong, with every bad field, and when to come again."""
    if not isinstance(error, CallFailed):
        return str(error)
    again = error.retry_after and f"  - again in {ceil(error.retry_after.total_seconds())} s"
    fields = [f"  - {each.field}: {each.description}" for each in error.fields]
    return "\n".join([str(error), *fields, *([again] if again else [])])
