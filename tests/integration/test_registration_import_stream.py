"""The stream of an import: what is looked at ahead, and how much it may bring."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from support.registration_older import older_row, open_import, send_rows, start_request
from support.registration_people import apply_session
from support.registration_server import RegistrationServer, registration_server
from support.service_databases import MakeDatabase
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao_kit.error_table import problem_of


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def entered(server: RegistrationServer) -> int:
    """How many older candidates there are."""
    return len(await server.rows("SELECT 1 FROM registration.older_record"))


async def test_each_message_is_answered_before_the_next(server: RegistrationServer) -> None:
    """Looking ahead keeps no answer back; what is bad undoes nothing that was answered."""
    operator = await server.caller("operator")
    import_id = (await operator.call(start_request(3))).progress.import_id
    call = open_import(operator)
    for line in (1, 2):
        rows = [older_row(line)]
        await call.write(older.ImportOlderCandidatesRequest(import_id=import_id, rows=rows))
        assert (await call.read()).progress.last_line == line
    await call.write(older.ImportOlderCandidatesRequest(import_id=import_id, rows=[older_row(3)]))
    await call.write(older.ImportOlderCandidatesRequest(import_id=import_id))
    assert (await call.read()).progress.last_line == 3
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert problem_of(caught.value).reason == "INVALID_REQUEST"
    assert await entered(server) == 3


async def test_no_more_rows_than_were_told(server: RegistrationServer) -> None:
    """What an import brings is bounded by what was said when it began."""
    operator = await server.caller("operator")
    import_id = (await operator.call(start_request(2))).progress.import_id
    await send_rows(operator, import_id, [older_row(1)])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send_rows(operator, import_id, [older_row(2), older_row(3, sex=0)])
    (problem,) = problem_of(caught.value).fields
    assert problem.description == "行数超过开始导入时说明的2行"
    assert await entered(server) == 1
