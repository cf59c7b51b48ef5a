"""Older candidates, and offices that enter them."""

import io
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import grpc
from PIL import Image
from support.registration_people import JINJIANG, MOBILE, PASSWORD, document_number
from support.service import TIMEOUT_SECONDS, Caller, new_id
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import older_candidate_service_pb2_grpc as older_grpc
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import ticket_number_service_pb2 as tickets
from zikao.registration.v1 import types_pb2 as types

OLDER_NAME = "王一"
OLDER_NUMBER = "010412300001"


@cache
def older_photo(seed: int = 1) -> bytes:
    """A photo of its time: small, of any background, with EXIF."""
    exif = Image.Exif()
    exif[0x0110] = "CAMERA-CANARY"
    buffer = io.BytesIO()
    image = Image.new("RGB", (150, 200), (seed % 256, 80, 60))
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def older_number(number: int) -> str:
    """A ticket number of an earlier session."""
    return f"0104123{number:05}"


def older_row(number: int = 1, **changes: Any) -> older.OlderCandidateRow:
    """An older candidate, another for every number below 500; its line is the number."""
    fields: dict[str, Any] = {
        "line": number,
        "ticket_number": older_number(number),
        "document_type": types.DOCUMENT_TYPE_RESIDENT_ID,
        "document_number": document_number(number),
        "name": OLDER_NAME,
        "sex": types.SEX_MALE,
        "county_code": JINJIANG,
        "track": types.TRACK_SOCIAL,
        "major_code": "W020119",
        "photo_jpeg": older_photo(),
    }
    return older.OlderCandidateRow(**fields | changes)


def start_request(total_rows: int = 1, **changes: Any) -> older.StartImportRequest:
    """A new import."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "source_name": "2012.csv",
        "total_rows": total_rows,
    }
    return older.StartImportRequest(**fields | changes)


async def send_rows(
    office: Caller, import_id: str, *messages: Sequence[older.OlderCandidateRow]
) -> list[older.ImportOlderCandidatesResponse]:
    """Stream messages of rows; raises grpc.aio.AioRpcError."""
    requests = [
        older.ImportOlderCandidatesRequest(import_id=import_id, rows=rows) for rows in messages
    ]
    return [answer async for answer in open_import(office, iter(requests))]


def open_import(office: Caller, requests: Iterable[Any] | None = None) -> Any:
    """A stream of messages; without them, for messages to come."""
    bearer = (("authorization", f"Bearer {office.token}"),) if office.token else ()
    stub: Any = older_grpc.OlderCandidateServiceStub(office.channel)
    return stub.ImportOlderCandidates(
        requests, timeout=TIMEOUT_SECONDS, metadata=grpc.aio.Metadata(*bearer)
    )


async def import_rows(
    office: Caller, *rows: older.OlderCandidateRow, **settings: Any
) -> older.ImportOlderCandidatesResponse:
    """Import rows in one message; return its answer."""
    begun = await office.call(start_request(len(rows), **settings))
    (answer,) = await send_rows(office, begun.progress.import_id, rows)
    return answer


def activation_request(number: int = 1, **changes: Any) -> tickets.ActivateTicketNumberRequest:
    """The activation of `older_row`."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "ticket_number": older_number(number),
        "document_type": types.DOCUMENT_TYPE_RESIDENT_ID,
        "document_number": document_number(number),
        "name": OLDER_NAME,
        "new_password": PASSWORD,
        "mobile": MOBILE,
    }
    return tickets.ActivateTicketNumberRequest(**fields | changes)


def merge_request(keep: int, *cancel: int) -> tickets.MergeTicketNumbersRequest:
    """Numbers of one person."""
    return tickets.MergeTicketNumbersRequest(
        request_id=new_id(),
        keep=older_number(keep),
        cancel=map(older_number, cancel),
        reason="重复档案",
    )


def completion_request(number: int, **changes: Any) -> records.CompleteOlderRecordRequest:
    """What an office fills in."""
    fields: dict[str, Any] = {"request_id": new_id(), "ticket_number": older_number(number)}
    if "document_number" in changes:
        fields["document_type"] = types.DOCUMENT_TYPE_RESIDENT_ID
    return records.CompleteOlderRecordRequest(**fields | changes)
