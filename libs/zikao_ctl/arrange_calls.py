"""What `zikao arrange` asks the tickets service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from zikao.tickets.v1 import arrangement_operation_service_pb2 as operations
from zikao.tickets.v1 import arrangement_operation_service_pb2_grpc as operations_grpc
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao_client import new_request_id

from zikao_ctl.export_files import OnProgress, PartFile, persist
from zikao_ctl.office_calls import OfficeCalls

# The service ends longer streams; who watches then begins another.
STREAM_SECONDS = 14 * 60.0
LOOK_SECONDS = 1.0
PAGE_SIZE = 500

OnLook = Callable[[operations.WatchArrangementsResponse], None]


class Arranging(OfficeCalls):
    """What one does with arrangements."""

    @cached_property
    def _service(self) -> operations_grpc.ArrangementOperationServiceAsyncStub:
        return operations_grpc.ArrangementOperationServiceStub(self.channel)

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
        return await self.ask(self._service.StartArrangements, request)

    async def watch(self, operation_id: str, show: OnLook) -> None:
        """Show an operation until its end, over as many streams as it takes; raises CallFailed."""
        request = operations.WatchArrangementsRequest(operation_id=operation_id)
        heard_at = time.monotonic()

        async def once() -> None:
            nonlocal heard_at
            stream = self._service.WatchArrangements(
                request, metadata=self.metadata, timeout=STREAM_SECONDS
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
        return await self.ask(self._service.CancelArrangements, request)

    async def publish(
        self, session_code: str, county_prefix: str, *, above_bound: bool, dry_run: bool
    ) -> offices.OfficeAction:
        """Publish what is done in an area, or propose it to a second officer; raises CallFailed.

        With `dry_run` see only what would be.
        """
        request = operations.PublishArrangementsRequest(
            request_id=new_request_id(),
            session_code=session_code,
            county_prefix=county_prefix,
            dry_run=dry_run,
            above_bound=above_bound,
        )
        return (await self.ask(self._service.PublishArrangements, request)).action

    async def until_published(
        self, action: offices.OfficeAction, patience_seconds: float, show: OnProgress
    ) -> list[arrangements.Arrangement]:
        """Wait until none of an act's arrangements is about to be published; what they are then.

        Not longer than `patience_seconds` without one that was.
        """
        ids = {each.arrangement_id for each in action.act.publish_arrangements.arrangements}
        area = action.session_code, action.county_prefix
        left, moved_at = len(ids), time.monotonic()
        while True:
            approved = await self.list(*area, state=arrangements.ARRANGEMENT_STATE_APPROVED)
            before, left = left, sum(each.arrangement_id in ids for each in approved)
            moved_at = time.monotonic() if left < before else moved_at
            show(len(ids) - left, len(ids))
            if not left or time.monotonic() - moved_at > patience_seconds:
                return [each for each in await self.list(*area) if each.arrangement_id in ids]
            await asyncio.sleep(LOOK_SECONDS)

    async def list(
        self, session_code: str, county_prefix: str, *, gaps: bool = False, state: Any = 0
    ) -> list[arrangements.Arrangement]:
        """All arrangements of an area; those in a state, or with more than is proven needed."""
        request = operations.ListArrangementsRequest(
            session_code=session_code,
            county_prefix=county_prefix,
            with_gap_only=gaps,
            state=state,
            page_size=PAGE_SIZE,
        )
        pages = await self.pages(self._service.ListArrangements, request)
        return [each for page in pages for each in page.arrangements]

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
                request, metadata=self.metadata, timeout=STREAM_SECONDS
            )
            async for part in stream:
                moved_at = time.monotonic()
                file.add(part.lines, part.cursor, part.seats_done - file.candidates)
                show(part.seats_done, part.seats_total)

        await persist(once, lambda: moved_at)
        file.finish()
        return file.candidates
