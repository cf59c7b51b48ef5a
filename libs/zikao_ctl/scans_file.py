"""The CSV file of scans that were made without a network (`zikao scans upload`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_kit.convert import time_to_pb

from zikao_ctl.csv_table import BadRow, CsvTable, moment_of, require_cells, require_sendable

# Column -> its name in Chinese.
COLUMNS = {
    "scan_id": "扫描编号",
    "slot": "场次",
    "site_code": "考点代码",
    "room": "考场号",
    "device": "设备",
    "scanned_at": "扫描时间",
    "proof": "二维码内容",
}
OPTIONAL_COLUMNS = frozenset({"room"})


@dataclass
class CheckedScans:
    """How many can be sent, and what is wrong with the others, by line."""

    scans: int = 0
    problems: dict[int, list[str]] = field(default_factory=dict)


class ScansFile:
    """A file whose times without an offset are of `zone`."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._table = CsvTable(path, COLUMNS, OPTIONAL_COLUMNS)
        self._zone = zone

    def check(self) -> CheckedScans:
        """Look at every line; raises TableError for a file that is none, OSError."""
        checked = CheckedScans()
        for number, found in self._read():
            if isinstance(found, BadRow):
                checked.problems[number] = [str(found)]
            else:
                checked.scans += 1
        return checked

    def scans(self) -> Iterator[tuple[int, pb.OfflineScan]]:
        """Every line that can be sent, with its number; raises TableError, OSError."""
        for number, found in self._read():
            if not isinstance(found, BadRow):
                yield number, found

    def _read(self) -> Iterator[tuple[int, pb.OfflineScan | BadRow]]:
        for number, cells in self._table.rows():
            try:
                scan = self._scan(require_cells(cells))
                require_sendable(scan, COLUMNS)
            except BadRow as bad:
                yield number, bad
            else:
                yield number, scan

    def _scan(self, row: Mapping[str, str]) -> pb.OfflineScan:
        if not (row["slot"].isascii() and row["slot"].isdigit() and len(row["slot"]) <= 3):
            raise BadRow("场次应为数字")
        scan = verification.DoorScan(
            scan_id=row["scan_id"].lower(),
            slot=int(row["slot"]),
            site_code=row["site_code"],
            room=row.get("room", ""),
            device=row["device"],
            scanned_at=time_to_pb(moment_of(row["scanned_at"], self._zone)),
        )
        return pb.OfflineScan(scan=scan, proof=row["proof"])
