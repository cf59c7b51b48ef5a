"""Scans at doors as messages."""

from uuid import UUID

from zikao.tickets.v1 import door_service_pb2, verification_service_pb2
from zikao_kit.convert import enum_to_pb, time_from_pb, time_to_pb
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_tickets.domain.scans import Door, DuplicateScan, KnownScan


def door_from_pb(scan: verification_service_pb2.DoorScan) -> Door:
    """Where and when a device has scanned; raises DomainError INVALID_REQUEST for no time."""
    try:
        scanned_at = time_from_pb(scan.scanned_at)
    except (ValueError, OverflowError):
        problem = FieldProblem("scan.scanned_at", "时间不正确")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
    return Door(
        scan_id=UUID(scan.scan_id),
        slot=scan.slot,
        site_code=scan.site_code,
        room_code=scan.room,
        device=scan.device,
        scanned_at=scanned_at,
    )


def known_scan_to_pb(scan: KnownScan) -> verification_service_pb2.KnownScan:
    """One scan of a ticket."""
    return verification_service_pb2.KnownScan(
        site_code=scan.site_code,
        room=scan.room_code,
        device=scan.device,
        scanned_at=time_to_pb(scan.scanned_at),
        version=scan.version,
    )


def duplicate_to_pb(duplicate: DuplicateScan) -> door_service_pb2.DuplicateScan:
    """A ticket that was scanned more than once."""
    return door_service_pb2.DuplicateScan(
        slot=duplicate.slot,
        ticket_number=duplicate.ticket_number,
        county_code=duplicate.county_code,
        reasons=[
            enum_to_pb(door_service_pb2.DuplicateReason, "DUPLICATE_REASON_", reason)
            for reason in duplicate.reasons
        ],
        scans=map(known_scan_to_pb, duplicate.scans),
        scan_count=duplicate.scan_count,
    )
