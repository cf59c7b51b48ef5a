"""Act 6, at the door: tickets verified with and without a network, and a copy of one found out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from zikao.tickets.v1 import door_service_pb2 as door
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_client import patiently
from zikao_client.scanner import Scanner, TicketRefused
from zikao_kit.convert import time_to_pb
from zikao_tickets.proof import ProofSitting

from zikao_ctl.demo.officers import officer_metadata
from zikao_ctl.demo.stage import Player, Stage, StoryBroken

OTHER_ROOM = "999"
COPY_AFTER = timedelta(minutes=5)


async def verify_at_the_door(stage: Stage, players: Sequence[Player], scanner: Scanner) -> None:
    """Online, with the photo to compare; forged tickets offline; and one copy at a second door."""
    sittings = [scanner.verify(player.proof).sittings[0] for player in players]
    await stage.move_to(max(_begins(stage, sitting) for sitting in sittings) + COPY_AFTER)
    for player, sitting in zip(players, sittings, strict=True):
        await _scan_online(stage, player, sitting)
    forged = forge(players[0].proof)
    try:
        scanner.verify(forged)
    except TicketRefused as refused:
        stage.say(f"a ticket with one changed character: {refused}")
    else:
        raise StoryBroken("a forged ticket was accepted")
    await _find_the_copy(stage, players[0], sittings[0])


async def _scan_online(stage: Stage, player: Player, sitting: ProofSitting) -> None:
    """The service says who should be standing there, and that it is here."""
    scan = _at_door(sitting, sitting.room, _begins(stage, sitting))
    request = verification.VerifyTicketRequest(proof=player.proof, scan=scan)
    answer = await patiently(lambda: stage.scanner.verification.VerifyTicket(request))
    if (answer.name, answer.ticket_number) != (player.person.name, player.ticket_number):
        raise StoryBroken(f"the door takes {player.person.name} for {answer.name}")
    if not answer.photo_jpeg:
        raise StoryBroken(f"the door has no photo of {player.person.name}")
    if answer.place != verification.DOOR_PLACE_RIGHT or answer.other_scans:
        raise StoryBroken(f"the door sends {player.person.name} away")


async def _find_the_copy(stage: Stage, player: Player, sitting: ProofSitting) -> None:
    """A copy has passed another door, whose scanner had no network: its scans come later."""
    scan = _at_door(sitting, OTHER_ROOM, _begins(stage, sitting) + COPY_AFTER)
    upload = door.UploadScansRequest(scans=[door.OfflineScan(scan=scan, proof=player.proof)])
    for accepted in (1, 0):  # the same again changes nothing
        answers = [each async for each in stage.scanner.door.UploadScans(iter([upload]))]
        if [each.accepted for each in answers] != [accepted]:
            raise StoryBroken(f"scans of another door: {answers}")
    county_code = player.enrolled_in
    metadata = await officer_metadata(stage, county_code)
    request = door.ListDuplicateScansRequest(
        session_code=stage.session.code, county_prefix=county_code
    )
    answer = await patiently(
        lambda: stage.zikao.door.ListDuplicateScans(request, metadata=metadata)
    )
    if [each.ticket_number for each in answer.duplicates] != [player.ticket_number]:
        raise StoryBroken(f"{county_code}: seen twice are {answer.duplicates}")
    stage.say(f"{county_code}: a copy of {player.person.name}'s ticket was found at a second door")


def _begins(stage: Stage, sitting: ProofSitting) -> datetime:
    return stage.session.slots[sitting.slot - 1].starts_at


def _at_door(sitting: ProofSitting, room: str, scanned_at: datetime) -> verification.DoorScan:
    return verification.DoorScan(
        scan_id=str(uuid.uuid4()),
        slot=sitting.slot,
        site_code=sitting.site,
        room=room,
        device=f"door-{room}",
        scanned_at=time_to_pb(scanned_at),
    )


def forge(proof: str) -> str:
    """The same text with one character changed in the middle."""
    place = len(proof) // 2
    return proof[:place] + ("A" if proof[place] != "A" else "B") + proof[place + 1 :]
