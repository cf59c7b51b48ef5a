"""Keys of access tokens change while registration serves: by time, and by command."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import yaml
from click.testing import CliRunner, Result
from support.bench import paths_of
from support.registration_people import (
    PASSWORD,
    account_request,
    apply_session,
    document_number,
    log_in,
    log_in_through,
    new_candidate,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao_registration.config import SIGNING_KEY_DAYS
from zikao_registration.domain.signing_keys import RETIRING_MARGIN, SIGNING_LEAD
from zikao_registration.signing_key_commands import rotate_signing_key_command

GET = registration.GetRegistrationRequest()
LIFETIME = timedelta(hours=2)


async def published(server: RegistrationServer) -> list[str]:
    """The keys that others verify with."""
    portal = await server.caller("portal")
    return [key.key_id for key in (await portal.call(accounts.ListSigningKeysRequest())).keys]


def signed_with(candidate: Caller) -> str:
    """Which key has signed somebody's token."""
    key_id: str = jwt.get_unverified_header(candidate.token)["kid"]
    return key_id


async def until_published(server: RegistrationServer, count: int) -> list[str]:
    """Wait until there are so many keys."""

    async def found() -> list[str]:
        keys = await published(server)
        return keys if len(keys) == count else []

    keys: list[str] = await until(found)
    return keys


async def test_keys_change_by_time(make_database: MakeDatabase, tmp_path: Path) -> None:
    """After its days a key gets a successor, which signs an hour later; nobody's token is lost.

    The one before goes when its last token has ended.
    """
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as server:
        await apply_session(server)
        old = await published(server)
        assert [signed_with(await new_candidate(server))] == old
        later = NOON + timedelta(days=SIGNING_KEY_DAYS)
        await server.move_clock(later)
        (new,) = set(await until_published(server, 2)) - set(old)
        candidate = await log_in(server, document_number(1))
        assert [signed_with(candidate)] == old
        await server.move_clock(later + SIGNING_LEAD + timedelta(minutes=1))

        async def signs() -> bool:
            return signed_with(await log_in(server, document_number(1))) == new

        await until(signs)
        await candidate.call(GET)
        end = SIGNING_LEAD + LIFETIME + RETIRING_MARGIN + timedelta(minutes=1)
        await server.move_clock(later + end)
        assert await until_published(server, 1) == [new]


async def rotated(server: RegistrationServer, folder: Path, *options: str) -> Result:
    """What the operator's command says, beside the running service."""
    settings: dict[str, Any] = {
        "server": {"listen": "127.0.0.1:0", "tls": paths_of(server.ca.issue("registration"))},
        "database": {"dsn": server.dsn},
        "key_ring_file": str(folder / "keys.yaml"),
        "clock": {"offset_file": str(server.clock_file)},
    }
    path = folder / "registration.yaml"
    path.write_text(yaml.safe_dump(settings))
    return await asyncio.to_thread(
        CliRunner().invoke, rotate_signing_key_command, ["--config", str(path), *options]
    )


async def test_keys_change_by_command(make_database: MakeDatabase, tmp_path: Path) -> None:
    """One more between times hurts nobody; after a theft no token of before counts, and who has a
    refresh token gets another without a password."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as server:
        await apply_session(server)
        portal = await server.caller("portal")
        await portal.call(account_request())
        tokens = await log_in_through(portal, document_number(1), PASSWORD)
        candidate = portal.with_token(tokens.access_token)
        result = await rotated(server, tmp_path)
        assert (result.exit_code, "signs from" in result.output) == (0, True), result.output
        await until_published(server, 2)
        await candidate.call(GET)
        result = await rotated(server, tmp_path, "--stolen")
        assert result.exit_code == 0, result.output
        await until_published(server, 1)
        assert (await candidate.refused(GET)).reason == "TOKEN_INVALID"
        request = logins.RefreshTokenRequest(
            request_id=new_id(), refresh_token=tokens.refresh_token
        )
        again = portal.with_token((await portal.call(request)).tokens.access_token)
        await again.call(GET)
        assert [signed_with(again)] == await published(server)
