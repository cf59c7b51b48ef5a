"""Candidates with a ticket number, for tests of what comes after approval."""

from typing import Any

from support.registration_people import JINJIANG, approval, lease_request, pending_candidate
from support.registration_server import RegistrationServer
from support.service import Caller
from zikao.registration.v1 import candidate_feed_service_pb2 as feed


async def approved_candidate(
    server: RegistrationServer, officer: Caller, number: int = 1, **changes: Any
) -> tuple[Caller, str]:
    """A candidate whom `officer` approved, logged in, and the candidate's id."""
    candidate, who = await pending_candidate(server, number, **changes)
    await officer.call(lease_request(changes.get("county_code", JINJIANG)))
    await officer.call(approval(who))
    return candidate, who


async def published(server: RegistrationServer, candidate_id: str) -> feed.Candidate:
    """The candidate as other services are told."""
    enrollment = await server.caller("enrollment")
    cursor = feed.WatchCandidatesRequest()
    last = feed.Candidate()
    async for page in enrollment.start(cursor, timeout=10):
        for event in page.events:
            if event.candidate.candidate_id == candidate_id:
                last = event.candidate
        if not page.events:
            break
    return last
