"""The audit's chain of hashes: what is hashed, and where a chain does not hold. No I/O.

The hash of a link is SHA-256(hash of the link before ‖ canonical bytes of the entry), both as in
`docs/audit-log.md`: whoever reads that page can check an export without this code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

FORMAT = "zikao audit log 1"
HASH_BYTES = 32
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_ABSENT = b"\xff\xff\xff\xff"
_LENGTH_BYTES = 4
_INTEGER_DIGITS = 640  # the least that Python's limit may be set to


class Row(Protocol):
    """A row of the database."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""
        ...


@dataclass(frozen=True)
class Head:
    """Where a chain stands: the number of a link, 0 before the first, and its hash."""

    number: int
    hash: bytes


@dataclass(frozen=True)
class Entry:
    """An entry of the audit as it is sealed.

    `subject` is whom or what it is about, `area` the code of the county, city or province;
    `before` and `after` are JSON texts, in whatever form.
    """

    audit_id: int
    at: datetime
    actor: str
    role: str
    action: str
    subject: str | None
    area: str
    before: str
    after: str


@dataclass(frozen=True)
class Link:
    """A sealed entry; `entry` None: it is not there any more."""

    number: int
    audit_id: int
    sealed_at: datetime
    hash: bytes
    entry: Entry | None


@dataclass(frozen=True)
class Break:
    """The first place where a chain does not hold, and why."""

    number: int
    audit_id: int | None
    reason: str


def genesis(service: str) -> Head:
    """Where the chain of a service begins: no two services have the same."""
    return Head(0, hashlib.sha256(f"{FORMAT}: {service}".encode()).digest())


def link_hash(before: bytes, number: int, sealed_at: datetime, entry: Entry) -> bytes:
    """The hash of an entry behind the link with the hash `before`."""
    fields = (
        FORMAT,
        str(number),
        instant(sealed_at),
        str(entry.audit_id),
        instant(entry.at),
        entry.actor,
        entry.role,
        entry.action,
        entry.subject,
        entry.area,
        canonical_json(entry.before),
        canonical_json(entry.after),
    )
    return hashlib.sha256(before + b"".join(map(_field, fields))).digest()


def canonical_json(text: str) -> str:
    """One text for each JSON value: keys in the order of their code points, no spaces.

    Characters stand for themselves but for quotation marks, backslashes and controls; numbers
    keep the digits that PostgreSQL shows, which has no exponents.
    """
    if text == "{}":  # as most are
        return text
    value = _DECODER.decode(text)
    try:
        return _ENCODER.encode(value)
    except TypeError:  # a Decimal, which is rare
        return _canonical(value)


def instant(moment: datetime) -> str:
    """A moment as it is hashed: in UTC, with six decimals."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def first_break(start: Head, links: Iterable[Link]) -> tuple[Head, Break | None]:
    """Follow links from `start`; return the last that holds, and the first that does not."""
    head = start
    for link in links:
        if (reason := _wrong(head, link)) is not None:
            return head, Break(head.number + 1, link.audit_id, reason)
        head = Head(link.number, link.hash)
    return head, None


def entry_of(row: Row) -> Entry:
    """The entry in a row of `list_unsealed_audit`, or of `list_audit_links`."""
    return Entry(
        row["audit_id"],
        row["at"],
        row["actor"],
        row["role"],
        row["action"],
        row["subject"],
        row["area"],
        row["before"],
        row["after"],
    )


def link_of(row: Row) -> Link:
    """The link in a row of `list_audit_links`."""
    entry = None if row["at"] is None else entry_of(row)
    return Link(row["number"], row["audit_id"], row["sealed_at"], bytes(row["sha256"]), entry)


def _integer(digits: str) -> int | Decimal:
    """Python reads no integer of more than some thousand digits; JSON may have one."""
    return int(digits) if len(digits) <= _INTEGER_DIGITS else Decimal(digits)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=_integer)


def _wrong(head: Head, link: Link) -> str | None:
    if link.number != head.number + 1:
        return f"number {link.number} follows {head.number}"
    if link.entry is None:
        return "the entry is gone"
    if link_hash(head.hash, link.number, link.sealed_at, link.entry) != link.hash:
        return "the hash is not that of the entry behind the one before"
    return None


def _field(value: str | None) -> bytes:
    if value is None:
        return _ABSENT
    data = value.encode()
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        parts = (f"{_canonical(key)}:{_canonical(value[key])}" for key in sorted(value))
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value, ensure_ascii=False)
