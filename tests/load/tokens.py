"""Log test candidates in, and write their access tokens for opening.js.

    PYTHONPATH=tests python tests/load/tokens.py --target registration.example:8443 \\
        --certs ./certs --name portal logins.csv opening/tokens.json

logins.csv has the columns login_name and password. Tokens end after
`candidate_token_minutes` (120): log in just before the load. Each login costs the service
tens of milliseconds of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import account_service_pb2_grpc as accounts_grpc
from zikao_client import patiently
from zikao_kit.files import write_whole

AT_ONCE = 32
TIMEOUT_SECONDS = 30.0
OWNER_ONLY = 0o600

Login = tuple[str, str]


async def tokens_of(channel: grpc.aio.Channel, logins: Sequence[Login]) -> list[str]:
    """Their access tokens, in the same order; raises CallFailed for the first that gets none."""
    stub, places = accounts_grpc.AccountServiceStub(channel), asyncio.Semaphore(AT_ONCE)

    async def log_in(login_name: str, password: str) -> str:
        request = accounts.LogInRequest(login_name=login_name, password=password)
        async with places:
            answer = await patiently(lambda: stub.LogIn(request, timeout=TIMEOUT_SECONDS))
        return str(answer.tokens.access_token)

    return await asyncio.gather(*(log_in(*login) for login in logins))


def read_logins(path: Path) -> list[Login]:
    """The rows of a CSV file with login_name and password."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [(row["login_name"], row["password"]) for row in csv.DictReader(lines)]


async def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Log test candidates in for opening.js.")
    parser.add_argument("--target", required=True, help="registration, as host:port")
    parser.add_argument("--certs", type=Path, required=True, help="folder of ca.pem, NAME.pem …")
    parser.add_argument("--name", default="portal", help="whose certificate (opening.js: the same)")
    parser.add_argument("logins", type=Path, help="CSV: login_name,password")
    parser.add_argument("tokens", type=Path, help="where to write")
    given = parser.parse_args()
    async with _channel(given.target, given.certs, given.name) as channel:
        tokens = await tokens_of(channel, read_logins(given.logins))
    write_whole(given.tokens, json.dumps(tokens), OWNER_ONLY)


@asynccontextmanager
async def _channel(target: str, certs: Path, name: str) -> AsyncIterator[grpc.aio.Channel]:
    files = [certs / "ca.pem", certs / f"{name}.key", certs / f"{name}.pem"]
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
    async with grpc.aio.secure_channel(target, credentials) as channel:
        yield channel


if __name__ == "__main__":
    asyncio.run(main())
