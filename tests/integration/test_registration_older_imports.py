"""Older candidates are entered by offices: all of them once, whatever happens on the way."""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image
from support.registration_older import (
    OLDER_NAME,
    import_rows,
    older_number,
    older_photo,
    older_row,
    open_import,
    send_rows,
    start_request,
)
from support.registration_people import (
    JINJIANG,
    WUHOU,
    apply_session,
    document_number,
    new_officer,
)
from support.registration_server import RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.error_table import problem_of


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def counts(server: RegistrationServer) -> dict[str, int]:
    """How many rows the tables of older candidates have."""
    tables = ("older_record", "older_photo", "ticket_number", "candidate", "account", "outbox")
    return {
        table: (await server.rows(f"SELECT count(*) FROM registration.{table}"))[0][0]
        for table in tables
    }


async def test_rows_are_entered(server: RegistrationServer) -> None:
    """Each row becomes an older ticket number with its record and photo, and nobody's account."""
    operator = await server.caller("operator")
    before = await counts(server)
    answer = await import_rows(operator, older_row(1), older_row(2, photo_jpeg=b""))
    assert list(answer.problems) == []
    progress = answer.progress
    assert (progress.last_line, progress.entered, progress.refused) == (2, 2, 0)
    found = await counts(server)
    assert (found["older_record"], found["older_photo"], found["ticket_number"]) == (2, 1, 2)
    assert (found["candidate"], found["account"]) == (before["candidate"], before["account"])
    rows = await server.rows("SELECT ticket_number, status FROM registration.ticket_number")
    assert {tuple(row) for row in rows} == {(older_number(n), "older") for n in (1, 2)}


BAD_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({"ticket_number": "1234"}, ["准考证号应为12位数字"]),
    ({"ticket_number": "010422100007"}, ["准考证号属于本系统考次22.1的号段"]),
    ({"ticket_number": "010422200001"}, ["准考证号的考次段应早于本系统首个考次22.1"]),
    ({"document_number": "510104199112310011"}, ["证件号码有误：校验码有误，请逐位核对"]),
    ({"document_type": types.DOCUMENT_TYPE_UNSPECIFIED}, ["证件类型缺少或无法识别"]),
    ({"name": ""}, ["缺少姓名"]),
    ({"name": "王\ue000"}, ["姓名含有对照表中没有的自造字（U+E000）"]),
    ({"sex": types.SEX_FEMALE}, ["性别与证件号码不一致"]),
    ({"county_code": "110101"}, ["区县不属于本省"]),
    ({"mobile": "12345"}, ["手机号码应为11位"]),
    ({"photo_jpeg": b"GIF89a"}, ["照片不符合要求：不是JPEG文件"]),
    (
        {"sex": 0, "track": 0, "major_code": "", "county_code": "5101"},
        [
            "性别缺少或无法识别",
            "区县代码应为6位数字",
            "专业类别缺少或无法识别",
            "专业代码应为1至16位字母或数字",
        ],
    ),
]


@pytest.mark.parametrize(("changes", "problems"), BAD_ROWS)
async def test_a_bad_row_is_told_everything(
    server: RegistrationServer, changes: dict[str, Any], problems: list[str]
) -> None:
    """A row that is wrong hears all of it with its line; the others are entered."""
    operator = await server.caller("operator")
    answer = await import_rows(operator, older_row(1), older_row(2, **changes), older_row(3))
    assert [(each.line, list(each.problems)) for each in answer.problems] == [(2, problems)]
    assert (answer.progress.entered, answer.progress.refused) == (2, 1)
    import_id = answer.progress.import_id
    listed = await operator.call(older.ListImportProblemsRequest(import_id=import_id))
    assert list(listed.problems) == list(answer.problems)


async def test_problems_come_in_pages(server: RegistrationServer) -> None:
    """A long report is read page by page, and names nobody."""
    operator = await server.caller("operator")
    rows = [older_row(number, mobile="1") for number in range(1, 6)]
    import_id = (await import_rows(operator, *rows)).progress.import_id
    lines, token = [], ""
    while True:
        request = older.ListImportProblemsRequest(
            import_id=import_id, page_size=2, page_token=token
        )
        page = await operator.call(request)
        lines += [each.line for each in page.problems]
        assert len(page.problems) <= 2
        token = page.next_page_token
        if not token:
            break
    assert lines == [1, 2, 3, 4, 5]


async def test_imports_are_forgotten_after_months(server: RegistrationServer) -> None:
    """Half a year after its last row an import is gone with its problems; its records stay."""
    operator = await server.caller("operator")
    old, new = start_request(2), start_request(3)
    for begun in (old, new):
        await operator.call(begun)
        await send_rows(operator, begun.request_id, [older_row(1), older_row(2, mobile="1")])
    first = await server.rows("SELECT max(updated_at) AS at FROM registration.older_import")
    await server.move_clock(first[0]["at"] + timedelta(days=179))
    await send_rows(operator, new.request_id, [older_row(3, mobile="1")])
    assert await problems_by_import(server) == {old.request_id: 1, new.request_id: 2}
    await server.move_clock(first[0]["at"] + timedelta(days=181))

    async def is_forgotten() -> bool:
        return await problems_by_import(server) == {new.request_id: 2}

    await until(is_forgotten)
    error = await operator.refused(older.GetImportRequest(import_id=old.request_id))
    assert error.reason == "NOT_FOUND"
    assert (await counts(server))["older_record"] == 1
    await operator.call(old)
    (again,) = await send_rows(operator, old.request_id, [older_row(1)])
    assert (again.progress.entered, again.progress.unchanged) == (0, 1)


async def problems_by_import(server: RegistrationServer) -> dict[str, int]:
    """How many problems each import has that is there."""
    rows = await server.rows(
        "SELECT import_id::text, count(line) FROM registration.older_import "
        "LEFT JOIN registration.older_import_problem USING (import_id) GROUP BY import_id"
    )
    return dict(map(tuple, rows))


async def test_characters_of_old_systems_become_real_ones(server: RegistrationServer) -> None:
    """A private character that the standard knows is stored as what it was; rare ones exactly."""
    operator = await server.caller("operator")
    names = ["王\ue81e", "𬱖\U0002cc56\U00031350"]
    rows = [older_row(i + 1, name=name, has_account=True) for i, name in enumerate(names)]
    answer = await import_rows(operator, *rows)
    assert answer.progress.entered == 2
    found = {each.candidate.name for each in await first_events(server)}
    assert found == {"王\u9fb4", "𬱖\U0002cc56\U00031350"}


async def first_events(server: RegistrationServer) -> list[feed.CandidateEvent]:
    """What the feed has had until now."""
    stream = (await server.caller("enrollment")).start(feed.WatchCandidatesRequest())
    found: list[feed.CandidateEvent] = []
    async for answer in stream:
        found += answer.events
        if not answer.events:
            stream.cancel()
            break
    return found


async def test_who_had_an_account_has_one(server: RegistrationServer) -> None:
    """With the initial password, a current number and a place in the feed; without document none.

    The photo is the row's, without its metadata.
    """
    operator = await server.caller("operator")
    rows = [
        older_row(1, has_account=True),
        older_row(2, has_account=True, document_number=""),
    ]
    answer = await import_rows(operator, *rows)
    assert (answer.progress.entered, list(answer.problems)) == (2, [])
    (event,) = await first_events(server)
    assert event.candidate.ticket_number == older_number(1)
    assert event.candidate.document_number == document_number(1)
    tickets = await server.caller("tickets")
    asked = feed.BatchGetPhotosRequest(candidate_ids=[event.candidate.candidate_id])
    (photo,) = (await tickets.call(asked)).photos
    assert b"CANARY" in older_photo()
    assert b"CANARY" not in photo.jpeg
    same = [Image.open(io.BytesIO(jpeg)).tobytes() for jpeg in (photo.jpeg, older_photo())]
    assert same[0] == same[1]
    (account,) = await server.rows(
        "SELECT password_hash FROM registration.account WHERE kind = 'candidate'"
    )
    assert account["password_hash"] is None
    statuses = await server.rows(
        "SELECT status FROM registration.ticket_number ORDER BY ticket_number"
    )
    assert [row["status"] for row in statuses] == ["current", "older"]


async def test_the_same_rows_again_change_nothing(server: RegistrationServer) -> None:
    """Another import of the same content leaves all as it is; other content is a problem."""
    operator = await server.caller("operator")
    rows = [older_row(1), older_row(2, has_account=True)]
    await import_rows(operator, *rows)
    before = await counts(server)
    again = await import_rows(operator, *rows)
    assert (again.progress.entered, again.progress.unchanged) == (0, 2)
    changed = await import_rows(
        operator, older_row(1, name="李二"), older_row(2, name="李二", has_account=True)
    )
    assert [list(each.problems) for each in changed.problems] == [
        ["准考证号已录入，内容不同"],
        ["准考证号已激活，不能覆盖"],
    ]
    assert await counts(server) == before


async def test_a_replacing_import_replaces(server: RegistrationServer) -> None:
    """What nobody has activated is corrected by an import that says so."""
    operator = await server.caller("operator")
    await import_rows(operator, older_row(1))
    answer = await import_rows(operator, older_row(1, name="李二"), replace=True)
    assert (answer.progress.replaced, answer.progress.refused) == (1, 0)
    again = await import_rows(operator, older_row(1, name="李二"))
    assert again.progress.unchanged == 1


async def test_a_number_twice_in_a_message(server: RegistrationServer) -> None:
    """The first row of a number counts; the same again is nothing, another is a problem."""
    operator = await server.caller("operator")
    number = older_number(1)
    rows = [
        older_row(1),
        older_row(2, ticket_number=number, document_number=document_number(1)),
        older_row(3, ticket_number=number),
    ]
    answer = await import_rows(operator, *rows)
    assert (answer.progress.entered, answer.progress.unchanged) == (1, 1)
    assert [each.line for each in answer.problems] == [3]


async def test_an_import_goes_on_where_it_was(server: RegistrationServer) -> None:
    """Lines that are done are passed over: a cut stream is sent again from the beginning."""
    operator = await server.caller("operator")
    request = start_request(4)
    import_id = (await operator.call(request)).progress.import_id
    first, second = [older_row(1), older_row(2, mobile="1")], [older_row(3), older_row(4)]
    await send_rows(operator, import_id, first)
    known = (await operator.call(request)).progress
    assert (known.last_line, known.entered, known.refused) == (2, 1, 1)
    answers = await send_rows(operator, import_id, first, second)
    assert list(answers[0].problems) == []
    after = (await operator.call(older.GetImportRequest(import_id=import_id))).progress
    assert (after.last_line, after.entered, after.refused) == (4, 3, 1)
    other = start_request(5, request_id=request.request_id)
    assert (await operator.refused(other)).reason == "REQUEST_ID_REUSED"


async def test_two_streams_of_one_import_enter_once(server: RegistrationServer) -> None:
    """An import that goes on twice at the same time counts and enters every row once."""
    operator = await server.caller("operator")
    import_id = (await operator.call(start_request(40))).progress.import_id
    messages = [[older_row(2 * n - 1), older_row(2 * n, mobile="1")] for n in range(1, 21)]
    await asyncio.gather(*(send_rows(operator, import_id, *messages) for _ in range(4)))
    after = (await operator.call(older.GetImportRequest(import_id=import_id))).progress
    assert (after.last_line, after.entered, after.refused) == (40, 20, 20)
    assert (await counts(server))["older_record"] == 20


async def test_two_imports_of_the_same_rows_wait_for_each_other(
    server: RegistrationServer,
) -> None:
    """Rows that two offices' systems send at once, in any order, are entered once."""
    operator = await server.caller("operator")
    forth = [older_row(number, has_account=True) for number in range(1, 41)]
    back = [older_row(41 - each.line, line=each.line, has_account=True) for each in forth]
    answers = await asyncio.gather(
        *(import_rows(operator, *rows) for rows in (forth, back, forth, back))
    )
    assert sum(answer.progress.entered for answer in answers) == 40
    assert sum(answer.progress.unchanged for answer in answers) == 120
    found = await counts(server)
    assert (found["older_record"], found["candidate"], found["outbox"]) == (40, 40, 40)


async def test_a_dry_run_enters_nothing(server: RegistrationServer) -> None:
    """It tells the same problems, and leaves the tables alone."""
    operator = await server.caller("operator")
    await import_rows(operator, older_row(1))
    before = await counts(server)
    rows = [older_row(1, name="李二"), older_row(2), older_row(3, sex=0)]
    answer = await import_rows(operator, *rows, dry_run=True)
    assert (answer.progress.entered, answer.progress.refused) == (1, 2)
    assert [each.line for each in answer.problems] == [1, 3]
    assert await counts(server) == before


async def test_an_office_enters_its_own(server: RegistrationServer) -> None:
    """Rows of another county are problems; another office's import and numbers stay its own."""
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    answer = await import_rows(officer, older_row(1), older_row(2, county_code=WUHOU))
    assert [(each.line, list(each.problems)) for each in answer.problems] == [
        (2, ["区县不属于本单位管辖"])
    ]
    import_id = answer.progress.import_id
    refused = await other.refused(older.GetImportRequest(import_id=import_id))
    assert refused.reason == "NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send_rows(other, import_id, [older_row(3)])
    assert problem_of(caught.value).reason == "NOT_FOUND"
    moved = older_row(3, ticket_number="010712300001")
    await import_rows(await server.caller("operator"), moved)
    moved.MergeFrom(older.OlderCandidateRow(county_code=WUHOU, name="李二"))
    stolen = await import_rows(other, moved, replace=True)
    assert list(stolen.problems[0].problems) == ["准考证号已由其他单位录入"]


async def test_who_is_disabled_enters_nothing_more(server: RegistrationServer) -> None:
    """An import that is open ends with the account it was opened by."""
    operator, officer = await server.caller("operator"), await new_officer(server)
    import_id = (await officer.call(start_request(2))).progress.import_id
    call = open_import(officer)
    await call.write(older.ImportOlderCandidatesRequest(import_id=import_id, rows=[older_row(1)]))
    assert (await call.read()).progress.entered == 1
    (account,) = await server.rows("SELECT account_id FROM registration.account")
    staff_id = str(account["account_id"])
    await operator.call(staff.DisableStaffAccountRequest(request_id=new_id(), staff_id=staff_id))
    await call.write(older.ImportOlderCandidatesRequest(import_id=import_id, rows=[older_row(2)]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert problem_of(caught.value).reason == "TOKEN_INVALID"
    assert (await counts(server))["older_record"] == 1


async def test_lines_must_ascend(server: RegistrationServer) -> None:
    """What could not be resumed is refused as a whole."""
    operator = await server.caller("operator")
    import_id = (await operator.call(start_request(2))).progress.import_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send_rows(operator, import_id, [older_row(2), older_row(1)])
    assert problem_of(caught.value).reason == "INVALID_REQUEST"
    unknown = older.GetImportRequest(import_id=new_id())
    assert (await operator.refused(unknown)).reason == "NOT_FOUND"


async def test_nothing_of_a_person_is_readable(server: RegistrationServer) -> None:
    """Records, problems and audit hold neither name nor document number in clear."""
    operator: Caller = await server.caller("operator")
    await import_rows(operator, older_row(1), older_row(2, mobile="1381234"))
    for table in ("older_record", "older_import", "older_import_problem", "audit"):
        rows = await server.rows(f"SELECT t::text AS row FROM registration.{table} AS t")
        text = "".join(row["row"] for row in rows)
        assert rows
        for secret in (OLDER_NAME, document_number(1), document_number(2), "1381234"):
            assert secret not in text
            assert secret.encode().hex() not in text
    audited = await server.rows(
        "SELECT action, after FROM registration.audit WHERE action LIKE '%import%'"
    )
    assert [row["action"] for row in audited] == ["start_import", "import_older_candidates"]
    assert JINJIANG not in audited[0]["after"]
