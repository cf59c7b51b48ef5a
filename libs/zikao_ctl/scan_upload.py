"""`zikao scans upload`: bring scans that were made without a network to the service.

What it knows by its id it passes over, so the same file may come again, from its beginning.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import grpc
from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import door_service_pb2_grpc as pb_grpc
from zikao_kit.config import CertFiles
from zikao_tickets.proof import RejectReason

from zikao_ctl.installation import open_operator_channel
from zikao_ctl.long_import import PAUSE_SECONDS, STREAM_TIMEOUT_SECONDS, Patience, Say
from zikao_ctl.scans_file import ScansFile

SCANS_PER_MESSAGE = 500
SENTENCES: Mapping[str, str] = {
    **{reason: reason.sentence for reason in RejectReason},
    "UNKNOWN_TICKET": "没有签发过该准考证",
    "UNKNOWN_SLOT": "该考次没有这一场",
    "WRONG_TIME": "扫描时间不在该场考试当天，或晚于现在",
    "SCAN_ID_REUSED": "扫描编号已用于另一次扫描",
}
"""Of the contract's RejectedScan, for the report."""

OnScans = Callable[[int], None]
_Block = Sequence[tuple[int, pb.OfflineScan]]


@dataclass
class UploadedScans:
    """What became of the scans; problems by line."""

    accepted: int = 0
    known: int = 0
    problems: dict[int, list[str]] = field(default_factory=dict)

    def add(self, block: _Block, answer: pb.UploadScansResponse) -> None:
        """Count what the service has said of a block."""
        self.accepted += answer.accepted
        self.known += answer.known
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        for rejected in answer.rejected:
            reasons[rejected.scan_id].append(SENTENCES.get(rejected.reason, rejected.reason))
        # Of several with one id the first is kept.
        for line, each in reversed(block):
            if left := reasons[each.scan.scan_id]:
                self.problems[line] = [left.pop()]


class ScanUpload:
    """One file on its way into one service."""

    def __init__(self, file: ScansFile, on_scans: OnScans, say: Say) -> None:
        """`on_scans` gets how many were answered, `say` a sentence whenever it begins to wait."""
        self._file = file
        self._on_scans = on_scans
        self._say = say
        self._blocks_done = 0
        self._uploaded = UploadedScans()

    async def run(self, target: str, files: CertFiles) -> UploadedScans:
        """Send all, again while the service is away; raises ImportFailed."""
        patience = Patience(target, self._say)
        async with open_operator_channel(target, files) as channel:
            stub = pb_grpc.DoorServiceStub(channel)
            while True:
                try:
                    await self._try(stub, patience)
                except grpc.aio.AioRpcError as error:
                    patience.bear(error)
                else:
                    return self._uploaded
                await asyncio.sleep(PAUSE_SECONDS)

    async def _try(self, stub: pb_grpc.DoorServiceAsyncStub, patience: Patience) -> None:
        sent: deque[_Block] = deque()

        async def requests() -> AsyncIterator[pb.UploadScansRequest]:
            for block in islice(self._blocks(), self._blocks_done, None):
                sent.append(block)
                yield pb.UploadScansRequest(scans=[scan for _, scan in block])

        async for answer in stub.UploadScans(requests(), timeout=STREAM_TIMEOUT_SECONDS):
            patience.moved()
            self._blocks_done += 1
            block = sent.popleft()
            self._uploaded.add(block, answer)
            self._on_scans(len(block))

    def _blocks(self) -> Iterator[_Block]:
        scans = self._file.scans()
        while block := list(islice(scans, SCANS_PER_MESSAGE)):
            yield block
