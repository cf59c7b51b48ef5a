"""Act 5: offices have rooms and seats arranged, and publish."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao_client import new_request_id, patiently

from zikao_ctl.demo.officers import officer_metadata
from zikao_ctl.demo.stage import Stage, StoryBroken

ARRANGING_SECONDS = 60.0
_CALL_SECONDS = 20.0


async def arrange(stage: Stage) -> None:
    """Every county in which somebody sits."""
    closes_at = max(window.closes_at for window in stage.session.calendar.enrollment.values())
    await stage.move_to(closes_at + timedelta(days=7))
    counties = sorted({player.enrolled_in for player in stage.players} - {""})
    done = await asyncio.gather(*(arrange_county(stage, code) for code in counties))
    stage.count("arranged", sum(arrangement.candidates for arrangement in done))
    for arrangement in done:
        stage.say(
            f"{arrangement.county_code}: {arrangement.candidates} candidates, "
            f"{arrangement.sittings} sittings, {arrangement.rooms} rooms "
            f"(at least {arrangement.fewest_rooms.bound}); "
            f"seed of the draw {arrangement.seed.hex()[:16]}… "
            f"(its hash was published before: {arrangement.seed_sha256.hex()[:16]}…)"
        )


async def arrange_county(stage: Stage, county_code: str) -> arrangements.Arrangement:
    """Start, wait, publish."""
    office = Office(stage, county_code, await officer_metadata(stage, county_code))
    await office.start()
    await stage.until(f"{county_code} is arranged", office.is_ready, ARRANGING_SECONDS)
    return await office.publish()


class Office:
    """One county's arrangement."""

    def __init__(
        self, stage: Stage, county_code: str, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self._service = stage.zikao.arrangements
        self._metadata = metadata
        self._arrangement_id = ""
        self._start = arrangements.StartArrangementRequest(
            request_id=new_request_id(), session_code=stage.session.code, county_code=county_code
        )

    async def start(self) -> None:
        """Start it; it waits by itself for the last confirmed enrollments."""
        answer = await patiently(
            lambda: self._service.StartArrangement(self._start, metadata=self._metadata)
        )
        self._arrangement_id = answer.arrangement.arrangement_id

    async def is_ready(self) -> bool:
        """Whether every sitting has a seat; StoryBroken when it cannot be done."""
        look = arrangements.GetArrangementRequest(arrangement_id=self._arrangement_id)
        answer = await patiently(
            lambda: self._service.GetArrangement(look, metadata=self._metadata)
        )
        found = answer.arrangement
        if found.state == arrangements.ARRANGEMENT_STATE_FAILED:
            raise StoryBroken(f"{found.county_code} cannot be arranged: {found.failure}")
        return found.state == arrangements.ARRANGEMENT_STATE_DONE

    async def publish(self) -> arrangements.Arrangement:
        """Put it in force."""
        request = arrangements.PublishArrangementRequest(
            request_id=new_request_id(), arrangement_id=self._arrangement_id
        )
        answer = await patiently(
            lambda: self._service.PublishArrangement(
                request, metadata=self._metadata, timeout=_CALL_SECONDS
            )
        )
        return answer.arrangement
