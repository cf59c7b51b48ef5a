"""What `zikao arrange` asks the tickets service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from zikao.tickets.v1 import arrangement_operation_service_pb2 as operations
from zikao.tickets.v1 import arrangement_operation_service_pb2_grpc as operations_grpc
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao_client import bearer, new_request_id, patiently
from zikao_kit.config import CertFiles

from zikao_ctl.export_files import PartFile, persist
from zikao_ctl.installation import open_operator_channel

CALL_SECONDS = 20.0
# The service ends longer streams; who watches then begins another.
STREAM_SECONDS = 14 * 60.0
LOOK_SECONDS = 1.0
PAGE_SIZE = 500

OnLook = Callable[[operations.WatchArrangementsResponse], None]
OnProgress = Callable[[int, int], None]
Metadata = tuple[tuple[str, str], ...]


class Arranging:
    """Calls in the name of the operator's certificate, or of an officer whose token is given."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        """`token`: an officer's access token, or nothing."""
        self._service = operations_grpc.ArrangementOperationServiceStub(channel)
        self._metadata: Metadata = bearer(token) if token else ()

    async def start(
        self, session_code: str, county_prefix: str, *, anew: bool, dry_run: bool
    ) -> operations.StartArrangementsResponse:
        """Start the counties of an area, or see which would be; raises CallFailed."""
        request = operations.StartArrangementsRequest(
            request_id=new_request_id(),
            session_code=session_code,
            county_prefix=county_prefix,
            anew=anew,
            dry_run=dry_run,
        )
        return await patiently(
            lambda: self._service.StartArrangements(
                request, metadata=self._metadata, timeout=CALL_SECONDS
            )
        )

    async def watch(self, operation_id: str, show: OnLook) -> None:
        """Show an operation until its end, over as many streams as it takes; raises CallFailed."""
        request = operations.WatchArrangementsRequest(operation_id=operation_id)
        heard_at = time.monotonic()

        async def once() -> None:
            nonlocal heard_at
            stream = self._service.WatchArrangements(
                request, metadata=self._metadata, timeout=STREAM_SECONDS
            )
            async for look in stream:
                heard_at = time.monotonic()
                show(look)

        await persist(once, lambda: heard_at)

    async def cancel(
        self, operation_id: str, arrangement_id: str
    ) -> operations.CancelArrangementsResponse:
        """End what is in progress of an operation or of one arrangement; raises CallFailed."""
        which = (
            {"operation_id": operation_id} if operation_id else {"arrangement_id": arrangement_id}
        )
        request = operations.CancelArrangementsRequest(request_id=new_request_id(), **which)
        return await patiently(
            lambda: self._service.CancelArrangements(
                request, metadata=self._metadata, timeout=CALL_SECONDS
            )
        )

    async def publish(self, session_code: str, county_prefix: str) -> offices.OfficeAction:
        """Publish what is done in an area, or propose it to a second officer; raises CallFailed."""
        request = operations.PublishArrangementsRequest(
            request_id=new_request_id(), session_code=session_code, county_prefix=county_prefix
        )
        answer = await patiently(
            lambda: self._service.PublishArrangements(
                request, metadata=self._metadata, timeout=CALL_SECONDS
            )
        )
        return answer.action

    async def until_published(
        self, session_code: str, county_prefix: str
    ) -> Sequence[arrangements.Arrangement]:
        """Wait until no arrangement of the area is about to be published; what there is then."""
        while True:
            found = await self.list(session_code, county_prefix, gaps=False)
            if not any(each.state == arrangements.ARRANGEMENT_STATE_APPROVED for each in found):
                return found
            await asyncio.sleep(LOOK_SECONDS)

    async def list(
        self, session_code: str, county_prefix: str, *, gaps: bool
    ) -> list[arrangements.Arrangement]:
        """All arrangements of an area, or those with more than is proven to be needed."""
        request = operations.ListArrangementsRequest(
            session_code=session_code,
            county_prefix=county_prefix,
            with_gap_only=gaps,
            page_size=PAGE_SIZE,
        )
        found: list[arrangements.Arrangement] = []
        while True:
            page = await patiently(
                lambda: self._service.ListArrangements(
                    request, metadata=self._metadata, timeout=CALL_SECONDS
                )
            )
            found += page.arrangements
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def export(self, arrangement_id: str, path: Path, show: OnProgress) -> int:
        """Write an arrangement to a file, going on where the last time ended; how many seats.

        Raises ExportFailed.
        """
        file = PartFile(path, {"arrangement": arrangement_id})
        moved_at = time.monotonic()

        async def once() -> None:
            nonlocal moved_at
            request = operations.ExportArrangementRequest(
                arrangement_id=arrangement_id, cursor=file.cursor
            )
            stream = self._service.ExportArrangement(
                request, metadata=self._metadata, timeout=STREAM_SECONDS
            )
            async for part in stream:
                moved_at = time.monotonic()
                file.add(part.lines, part.cursor, part.seats_done - file.candidates)
                show(part.seats_done, part.seats_total)

        await persist(once, lambda: moved_at)
        file.finish()
        return file.candidates


@asynccontextmanager
async def arranging(
    target: str, files: CertFiles, token_file: Path | None
) -> AsyncIterator[Arranging]:
    """The calls over one connection, in the name of an officer whose token is given."""
    token = "" if token_file is None else token_file.read_text("utf-8").strip()  # noqa: ASYNC240
    async with open_operator_channel(target, files) as channel:
        yield Arranging(channel, token)
