"""A registration service with people in it, and everybody who may try what on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.authorisation import Someone
from support.registration_older import import_rows, older_row
from support.registration_people import (
    JINJIANG,
    STAFF_PASSWORD,
    WUHOU,
    apply_session,
    approval,
    document_number,
    lease_request,
    log_in,
    material,
    new_officer,
    pending_candidate,
    staff_request,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import recovery_service_pb2 as recovery
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.convert import time_to_pb

CERTIFICATES = ("enrollment", "operator", "portal", "scanner", "tickets")
# Role and scope; the data is of the county JINJIANG.
STAFF = {
    "officer of the county": (options_pb2.ROLE_COUNTY_OFFICER, JINJIANG),
    "officer of another county": (options_pb2.ROLE_COUNTY_OFFICER, WUHOU),
    "officer of the city": (options_pb2.ROLE_CITY_OFFICER, "5101"),
    "officer of another city": (options_pb2.ROLE_CITY_OFFICER, "5102"),
    "officer of the province": (options_pb2.ROLE_PROVINCE_OFFICER, "51"),
    "officer of another province": (options_pb2.ROLE_PROVINCE_OFFICER, "52"),
    "auditor": (options_pb2.ROLE_AUDITOR, "51"),
}


@dataclass
class World:
    """Of the county: somebody pending, somebody approved who asks for a change, an import."""

    server: RegistrationServer
    everybody: list[Someone]
    pending_id: str
    approved_id: str
    approved_number: str
    change_id: str
    import_id: str

    def someone(self, name: str) -> Someone:
        """Who has this name."""
        return next(who for who in self.everybody if who.name == name)


@asynccontextmanager
async def registration_world(dsn: str, folder: Path, **settings: Any) -> AsyncIterator[World]:
    """Serve it until the block ends; it is noon of the first day, every window is open.

    `settings` are fields of the configuration.
    """
    async with registration_server(dsn, folder, **settings) as server:
        await apply_session(
            server,
            profile_change=session.SessionWindow(
                opens_at=time_to_pb(NOON - timedelta(hours=1)),
                closes_at=time_to_pb(NOON + timedelta(hours=1)),
            ),
            profile_changes_effective_at=time_to_pb(NOON + timedelta(days=9)),
        )
        everybody = await _services_and_staff(server)
        officer = everybody[len(CERTIFICATES)].caller
        approved, approved_id = await pending_candidate(server, 1)
        await officer.call(lease_request())
        number = (await officer.call(approval(approved_id))).ticket_number
        pending, pending_id = await pending_candidate(server, 2)
        everybody.append(Someone("candidate", approved, role="candidate"))
        everybody.append(Someone("another candidate", pending, role="candidate"))
        everybody += await _restricted(server, officer)
        imported = await import_rows(officer, *map(older_row, (6, 7, 8, 9)))
        yield World(
            server,
            everybody,
            pending_id,
            approved_id,
            number,
            await _change_id(approved),
            imported.progress.import_id,
        )


async def _services_and_staff(server: RegistrationServer) -> list[Someone]:
    everybody = [
        Someone(f"service {name}", await server.caller(name), name) for name in CERTIFICATES
    ]
    for name, (role, scope) in STAFF.items():
        caller = await new_officer(server, scope, role, name=f"staff-{len(everybody)}")
        role_name = options_pb2.Role.Name(role).removeprefix("ROLE_").lower()
        everybody.append(Someone(name, caller, "portal", role_name, scope))
    return everybody


async def _restricted(server: RegistrationServer, officer: Caller) -> list[Someone]:
    """Who must first choose a password, and who must first set up a second factor."""
    await pending_candidate(server, 3)
    await pending_candidate(server, 4)  # whose password officers may reset
    reset = recovery.ResetCandidatePasswordRequest(
        request_id=new_id(),
        document_type=types.DOCUMENT_TYPE_RESIDENT_ID,
        document_number=document_number(3),
        reason=recovery.RESET_REASON_FORGOTTEN,
    )
    await officer.call(reset)
    candidate = await log_in(server, document_number(3), document_number(3)[-6:])
    operator = await server.caller("operator")
    await operator.call(staff_request("newcomer", options_pb2.ROLE_COUNTY_OFFICER, JINJIANG))
    newcomer = await log_in(server, "newcomer", STAFF_PASSWORD)
    return [
        Someone("candidate with initial password", candidate, role="candidate", restricted=True),
        Someone(
            "officer without second factor", newcomer, "portal", "county_officer", JINJIANG, True
        ),
    ]


async def _change_id(candidate: Caller) -> str:
    """Of a profile change that waits for the office."""
    values = changes.ProfileValues(ethnicity_code="01")
    await candidate.call(changes.RequestProfileChangeRequest(request_id=new_id(), changes=values))
    request = changes.UploadChangeEvidenceRequest(request_id=new_id(), jpeg=material())
    return str((await candidate.call(request)).change.change_id)
