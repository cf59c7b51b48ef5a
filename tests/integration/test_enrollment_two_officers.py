"""Dual control: what one officer proposes, a second one confirms (DOMAIN section 7)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import grpc
import pytest
from support.enrollment_offices import (
    CONFIRM,
    DONE,
    PENDING,
    REJECT,
    capacities,
    closing,
    decision,
    listing,
)
from support.enrollment_people import JINJIANG, QINGYANG, apply_session, hold, open_enrollment
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import office_audit_service_pb2 as audit
from zikao.enrollment.v1 import office_service_pb2 as pb
from zikao_enrollment.domain.timetable import Policies
from zikao_kit.error_table import reason_of

SESSION = replace(small_session(seats=2), policies=Policies(dual_control=True))


BY_ONE = (
    "UPDATE enrollment.office_action"
    " SET state = 'done', decided_by = proposed_by, decided_at = proposed_at"
)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with dual control, two seats a county and slot, three candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION) as found:
        yield found


async def seats(running: Installation) -> set[int]:
    """Capacities of the county in the ledger."""
    rows = await running.rows(
        "SELECT capacity FROM enrollment.seat_ledger WHERE county_code = $1", JINJIANG
    )
    return {row["capacity"] for row in rows}


async def test_an_act_waits_for_another_officer(running: Installation) -> None:
    """The one who proposed it cannot confirm it, nor one of another county; a third one can.

    Nor would the database keep that one officer has done both.
    """
    first = await running.officer(JINJIANG, new_id())
    proposed = capacities((JINJIANG, 1, 5), (JINJIANG, 2, 5), prefix=JINJIANG)
    action = (await first.call(proposed)).action
    assert action.state == PENDING
    assert action.expires_at.ToSeconds() - action.proposed_at.ToSeconds() == 24 * 3600
    assert await seats(running) == {2}
    assert (await first.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"
    with pytest.raises(asyncpg.CheckViolationError, match="office_action_two_officers"):
        await running.rows(BY_ONE)
    elsewhere = await running.officer(QINGYANG)
    assert (await elsewhere.refused(decision(action))).reason == "OUT_OF_SCOPE"
    second_id = new_id()
    second = await running.officer("5101", second_id)
    assert (await second.call(listing("5101", state=PENDING))).actions == [action]
    confirmation = decision(action)
    confirmed = (await second.call(confirmation)).action
    assert (confirmed.state, confirmed.decided_by) == (DONE, second_id)
    assert (await second.call(confirmation)).action == confirmed
    assert await seats(running) == {5}
    assert list((await second.call(listing("5101", state=PENDING))).actions) == []
    refused = await second.refused(decision(action, REJECT))
    assert (refused.reason, refused.metadata["state"]) == ("ACTION_DECIDED", "已生效")
    of_city = audit.ListOfficeAuditEntriesRequest(county_prefix="5101")
    entries = (await (await running.auditor()).call(of_city)).entries
    assert [(each.action, each.actor) for each in entries] == [
        ("confirm_change_capacities", second_id),
        ("propose_change_capacities", action.proposed_by),
    ]
    assert entries[0].before_json == '{"510104:1": 2, "510104:2": 2}'


async def test_an_officer_has_a_hundred_pending_acts(running: Installation) -> None:
    """One more is refused; another officer's, and one after the old have expired, is not."""
    first_id = new_id()
    first, second = [await running.officer(JINJIANG, each) for each in (first_id, new_id())]
    await first.call(closing(JINJIANG))
    await running.rows(
        "INSERT INTO enrollment.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM enrollment.office_action, generate_series(1, 99)"
    )
    refused = await first.refused(closing(JINJIANG))
    assert (refused.reason, refused.metadata["limit"]) == ("TOO_MANY_PENDING_ACTIONS", "100")
    await second.call(closing(JINJIANG))
    await running.move_clock(running.now() + timedelta(days=1))
    await (await running.officer(JINJIANG, first_id)).call(closing(JINJIANG))


async def test_an_act_is_checked_again_when_it_is_confirmed(running: Installation) -> None:
    """What is used by then stops it, and it can be confirmed still when it is possible again."""
    await hold(running, 1)
    first, second = await running.officer(JINJIANG), await running.officer(JINJIANG)
    too_few = capacities((JINJIANG, 1, 0), prefix=JINJIANG)
    assert (await first.refused(too_few)).reason == "SESSION_CHANGE_REFUSED"
    action = (await first.call(capacities((JINJIANG, 1, 1), prefix=JINJIANG))).action
    await hold(running, 2)
    refused = await second.refused(decision(action))
    assert refused.reason == "SESSION_CHANGE_REFUSED"
    assert refused.metadata["detail"] == "区县510104第1场已用考位2个，不能减至1个"
    assert await seats(running) == {2}
    assert (await second.call(decision(action, REJECT))).action.decided_by
    withdrawn = (await first.call(closing(JINJIANG))).action
    await first.call(decision(withdrawn, REJECT))
    await hold(running, 3, counties=(QINGYANG,))


async def test_nobody_confirms_what_is_too_old(running: Installation) -> None:
    """After its time an act has expired, and is listed as such."""
    first, second = await running.officer(JINJIANG), await running.officer(JINJIANG)
    action = (await first.call(closing(JINJIANG))).action
    await running.move_clock(running.now() + timedelta(hours=24))
    second = await running.officer(JINJIANG)
    refused = await second.refused(decision(action))
    assert (refused.reason, refused.metadata["state"]) == ("ACTION_DECIDED", "已过期")
    expired = listing(JINJIANG, state=pb.OFFICE_ACTION_STATE_EXPIRED)
    assert [each.action_id for each in (await second.call(expired)).actions] == [action.action_id]
    assert list((await second.call(listing(JINJIANG, state=PENDING))).actions) == []
    unknown = decision(pb.OfficeAction(action_id=new_id()))
    assert (await second.refused(unknown)).reason == "NOT_FOUND"


async def test_two_confirmations_at_once_are_one(running: Installation) -> None:
    """One of them decides; the other is told that it is decided."""
    first = await running.officer(JINJIANG)
    action = (await first.call(capacities((JINJIANG, 1, 7), prefix=JINJIANG))).action
    others = [await running.officer("5101") for _ in range(4)]

    async def confirm(number: int) -> str | None:
        try:
            await others[number].call(decision(action, CONFIRM))
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        return None

    answers = await asyncio.gather(*map(confirm, range(4)))
    assert sorted(map(str, answers)) == ["ACTION_DECIDED"] * 3 + ["None"]
    (row,) = await running.rows("SELECT version FROM enrollment.session")
    assert row["version"] == 2


async def test_without_dual_control_one_officer_is_enough(running: Installation) -> None:
    """The setting of the session decides; what was pending before waits still."""
    first = await running.officer(JINJIANG)
    pending = (await first.call(closing(JINJIANG))).action
    await apply_session(running, replace(SESSION, policies=Policies()))
    assert (await first.call(closing(JINJIANG, "00001"))).action.state == DONE
    assert (await first.refused(decision(pending))).reason == "SECOND_OFFICER_NEEDED"
