"""Candidates with a ticket number, for tests of what comes after approval."""

from typing import Any

from support.registration_people import JINJIANG, approval, lease_request, pending_candidate
from support.registration_server import RegistrationServer
from support.service import Caller


async def approved_candidate(
    server: RegistrationServer, officer: Caller, number: int = 1, **changes: Any
) -> tuple[Caller, str]:
    """A candidate whom `officer` approved, logged in, and the candidate's id."""
    candidate, who = await pending_candidate(server, number, **changes)
    await officer.call(lease_request(changes.get("county_code", JINJIANG)))
    await officer.call(approval(who))
    return candidate, who
