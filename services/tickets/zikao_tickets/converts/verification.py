"""What scanners carry and are told, as messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from zikao.tickets.v1 import verification_service_pb2 as pb
from zikao_kit.convert import enum_to_pb, time_to_pb

from zikao_tickets.converts.scans import known_scan_to_pb
from zikao_tickets.converts.versions import kind_to_pb
from zikao_tickets.domain.person import Bearer
from zikao_tickets.domain.scans import Door, KnownScan, place_of
from zikao_tickets.proof import TicketProof
from zikao_tickets.verification_list import keys_to_pb


def verification_data_to_pb(
    keys: Mapping[str, Ed25519PublicKey],
    key_epoch: int,
    revoked: Sequence[tuple[str, int]],
    as_of: datetime,
) -> pb.GetVerificationDataResponse:
    """What scanners carry; `revoked` are ticket numbers and versions."""
    return pb.GetVerificationDataResponse(
        keys=keys_to_pb(keys),
        revoked=[
            pb.RevokedTicket(ticket_number=number, version=version) for number, version in revoked
        ],
        as_of=time_to_pb(as_of),
        key_epoch=key_epoch,
    )


def verification_to_pb(
    proof: TicketProof,
    bearer: Bearer,
    door: Door | None = None,
    other_scans: Sequence[KnownScan] = (),
) -> pb.VerifyTicketResponse:
    """Who should be sitting where, and whether that is here."""
    place = place_of(proof, door) if door else None
    return pb.VerifyTicketResponse(
        ticket_number=proof.ticket_number,
        name=bearer.person.name,
        photo_jpeg=bearer.jpeg or b"",
        sittings=[
            pb.VerifiedSitting(
                slot=sitting.slot,
                site_code=sitting.site,
                room=sitting.room,
                seat=sitting.seat,
            )
            for sitting in proof.sittings
        ],
        kind=kind_to_pb(proof.kind),
        version=proof.version,
        without_photo=not proof.has_photo,
        place=enum_to_pb(pb.DoorPlace, "DOOR_PLACE_", place),
        other_scans=map(known_scan_to_pb, other_scans),
    )
