"""Candidates who log in for real, before the opening."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import account_service_pb2_grpc as accounts_grpc
from zikao_client import patiently

from zikao_ctl.rush.submissions import Account, Submission, bearer_of

# A login costs the service tens of milliseconds of computing, at a low priority: on a machine
# that has other things to do it takes seconds, and more at once make none quicker.
AT_ONCE = 2
CALL_SECONDS, PATIENCE_SECONDS = 30.0, 300.0


async def log_in_all(
    channel: grpc.aio.Channel, people: Sequence[tuple[Submission, Account]]
) -> None:
    """Give each the token of their login. Raises CallFailed."""
    stub: accounts_grpc.AccountServiceAsyncStub = accounts_grpc.AccountServiceStub(channel)
    todo = iter(people)

    async def work() -> None:
        for submission, account in todo:
            token = account.access_token or await _log_in(stub, account)
            submission.be_known_by(bearer_of(token))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def _log_in(stub: accounts_grpc.AccountServiceAsyncStub, account: Account) -> str:
    request = accounts.LogInRequest(login_name=account.login_name, password=account.password)
    answer = await patiently(lambda: stub.LogIn(request, timeout=CALL_SECONDS), PATIENCE_SECONDS)
    return answer.tokens.access_token
