"""Offices clear differences up: one officer, or two where the session says so."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from support.enrollment_people import JINJIANG, QINGYANG, apply_session, open_enrollment
from support.enrollment_reconciliation import (
    confirmation,
    differences,
    export,
    plant_difference,
    plant_missing_payment,
    resolution,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import office_audit_service_pb2 as audit_pb
from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao_enrollment.domain.timetable import Policies

OPEN, IN_REVIEW = pb.DIFFERENCE_STATE_OPEN, pb.DIFFERENCE_STATE_IN_REVIEW
RESOLVED = pb.DIFFERENCE_STATE_RESOLVED
WITHOUT_COUNTY = ""


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session that wants two officers."""
    session = replace(small_session(), policies=Policies(dual_control=True))
    async with open_enrollment(make_database, tmp_path, session=session, candidates=1) as found:
        yield found


async def test_a_write_off_takes_two_officers(running: Installation) -> None:
    """The first one proposes, a no opens it again, and only another one's yes resolves it.

    A yes to what was proposed before is none to what has taken its place.
    """
    difference_id = await plant_difference(running)
    first_id, second_id = new_id(), new_id()
    first = await running.officer(JINJIANG, first_id)
    second = await running.officer("5101", second_id)
    (found,) = await differences(second, "5101")
    assert (await second.refused(confirmation(found))).reason == "NOTHING_PROPOSED"
    proposal = resolution(difference_id, "WRITTEN_OFF", "平台已停用")
    proposed = (await first.call(proposal)).difference
    assert (proposed.state, proposed.decided_by) == (IN_REVIEW, first_id)
    assert (await first.call(proposal)).difference == proposed
    assert (await second.refused(resolution(difference_id))).reason == "DIFFERENCE_NOT_OPEN"
    assert (await first.refused(confirmation(proposed))).reason == "SECOND_OFFICER_NEEDED"
    reopened = (await second.call(confirmation(proposed, confirmed=False))).difference
    assert (reopened.state, reopened.resolution, reopened.reason) == (OPEN, 0, "")
    await running.move_clock(running.now() + timedelta(seconds=1))
    other = (await first.call(resolution(difference_id, "WRITTEN_OFF"))).difference
    assert (await second.refused(confirmation(proposed))).reason == "NOTHING_PROPOSED"
    resolved = (await second.call(confirmation(other))).difference
    assert (resolved.state, resolved.resolution) == (RESOLVED, pb.RESOLUTION_WRITTEN_OFF)
    assert (resolved.decided_by, resolved.confirmed_by) == (first_id, second_id)
    assert (await second.refused(confirmation(other))).reason == "NOTHING_PROPOSED"
    auditor = await running.auditor()
    listed = await auditor.call(audit_pb.ListOfficeAuditEntriesRequest(county_prefix=JINJIANG))
    assert [(entry.action, entry.actor) for entry in listed.entries] == [
        ("confirm_resolution", second_id),
        ("resolve_difference", first_id),
        ("confirm_resolution", second_id),
        ("resolve_difference", first_id),
    ]


async def test_the_database_refuses_one_officer_for_two(running: Installation) -> None:
    """Nobody is written as the second officer of their own proposal, whatever the service does."""
    await plant_difference(running)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await running.rows(
            "UPDATE enrollment.difference SET state = 'resolved', resolution = 'written_off',"
            " decided_by = 'a', decided_at = now(), confirmed_by = 'a', confirmed_at = now()"
        )
    assert refused.value.constraint_name == "difference_two_officers"


async def test_one_officer_is_enough_without_dual_control_alone(running: Installation) -> None:
    """With it no other word gives money up instead; of nobody's money it does in any session."""
    officer = await running.officer(JINJIANG)
    for how in ("EXPLAINED", "REFUNDED"):
        after = (await officer.call(resolution(await plant_difference(running), how))).difference
        assert (after.state, after.reason) == (IN_REVIEW, "已与平台核对")
    countyless = await plant_difference(running, WITHOUT_COUNTY)
    province = await running.officer("51")
    write_off = resolution(countyless, "WRITTEN_OFF")
    assert (await province.call(write_off)).difference.state == IN_REVIEW
    await apply_session(running, small_session())
    write_off = resolution(await plant_difference(running), "WRITTEN_OFF")
    assert (await officer.call(write_off)).difference.state == RESOLVED


async def test_what_the_platform_has_is_not_explained_away(running: Installation) -> None:
    """A payment in its own statement is settled before anybody may call it cleared up.

    What an office says in a file is no word of the platform; and a proposal does not outrun it.
    """
    difference_id = await plant_missing_payment(running)
    officer, other = await running.officer("51"), await running.officer("51")
    for how in ("EXPLAINED", "REFUNDED", "WRITTEN_OFF"):
        refused = await officer.refused(resolution(difference_id, how))
        assert refused.reason == "PAYMENT_NOT_SETTLED"
    set_source = "UPDATE enrollment.statement SET source = $1"
    await running.rows(set_source, "file")
    proposed = (await officer.call(resolution(difference_id))).difference
    assert proposed.state == IN_REVIEW
    await running.rows(set_source, "platform")
    assert (await other.refused(confirmation(proposed))).reason == "PAYMENT_NOT_SETTLED"
    await running.rows("UPDATE enrollment.difference SET next_attempt_at = now()")

    async def settled() -> bool:
        return bool(await running.rows("SELECT FROM enrollment.payment"))

    await until(settled)
    assert (await other.call(confirmation(proposed))).difference.state == RESOLVED


async def test_what_belongs_to_no_county_is_the_provinces(running: Installation) -> None:
    """Money of unknown orders is seen and cleared up by the province's officers alone."""
    countyless = await plant_difference(running, WITHOUT_COUNTY)
    ours, theirs = await plant_difference(running), await plant_difference(running, QINGYANG)
    province, city = await running.officer("51"), await running.officer("5101")
    county = await running.officer(JINJIANG)
    seen = [
        {each.difference_id for each in await differences(office, prefix)}
        for office, prefix in ((province, "51"), (city, "5101"), (county, JINJIANG))
    ]
    assert seen == [{countyless, ours, theirs}, {ours, theirs}, {ours}]
    for office in (city, county):
        assert (await office.refused(resolution(countyless))).reason == "OUT_OF_SCOPE"
    assert (await county.refused(resolution(theirs))).reason == "OUT_OF_SCOPE"
    assert (await county.refused(resolution(new_id()))).reason == "NOT_FOUND"
    resolved = (await province.call(resolution(countyless))).difference
    assert resolved.state == IN_REVIEW
    found = await differences(province, state=OPEN, kind=pb.DIFFERENCE_KIND_MISSING_THERE)
    assert {each.difference_id for each in found} == {ours, theirs}
    assert await differences(province, from_date="2022-03-01") == []
    assert await differences(province, to_date="2022-02-27") == []


async def test_pages_are_stable(running: Installation) -> None:
    """Page by page every difference comes once, also when others are found meanwhile."""
    before = {await plant_difference(running) for _ in range(5)}
    province, seen, token = await running.officer("51"), list[str](), ""
    while True:
        request = pb.ListDifferencesRequest(county_prefix="51", page_size=2, page_token=token)
        page = await province.call(request)
        seen += [each.difference_id for each in page.differences]
        token = page.next_page_token
        if not token:
            break
        await plant_difference(running)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    for wrong in ("x", "MjAyMg=="):
        request = pb.ListDifferencesRequest(county_prefix="51", page_token=wrong)
        refused = await province.refused(request)
        assert [problem.field for problem in refused.fields] == ["page_token"]


async def test_words_of_officers_are_no_formulas(running: Installation) -> None:
    """What a spreadsheet would compute is text in a file."""
    difference_id = await plant_difference(running)
    officer = await running.officer(JINJIANG)
    await officer.call(resolution(difference_id, reason='=HYPERLINK("http://x")'))
    text = await export(officer, pb.ExportDifferencesRequest(county_prefix=JINJIANG))
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["说明"] == '\'=HYPERLINK("http://x")'
    assert (row["处理结果"], row["本系统金额（元）"], row["平台金额（元）"]) == (
        "已说明",
        "35.00",
        "",
    )


async def test_nonsense_is_told(running: Installation) -> None:
    """What an officer cannot mean is refused by its field."""
    province = await running.officer("51")
    wrong = {
        "resolution": resolution(new_id(), "SETTLED"),
        "reason": resolution(new_id(), reason=""),
        "filter.from_date": pb.ListDifferencesRequest(
            county_prefix="51", filter=pb.DifferenceFilter(from_date="2022-02-30")
        ),
        "statement_date": pb.GetDayTotalsRequest(county_prefix="51", statement_date="2022-02-30"),
    }
    for field, request in wrong.items():
        refused = await province.refused(request)
        assert [problem.field for problem in refused.fields] == [field]
