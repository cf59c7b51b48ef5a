"""Looks for a text in whatever form a careless program may have left it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg


@dataclass(frozen=True)
class Canary:
    """A known text, and the bytes by which it would be found."""

    name: str
    text: str

    @property
    def needles(self) -> dict[str, bytes]:
        """Form -> bytes: plain, in other encodings, escaped, and as a hash without a key."""
        plain = self.text.encode()
        found = {
            "plain": plain,
            "UTF-16 little": self.text.encode("utf-16-le"),
            "UTF-16 big": self.text.encode("utf-16-be"),
            "hex": plain.hex().encode(),
            "HEX": plain.hex().upper().encode(),
            "JSON": json.dumps(self.text)[1:-1].encode(),
            "percent": quote(self.text).encode(),
            "octal": "".join(f"\\{byte:03o}" for byte in plain).encode(),
        }
        for shift in range(3):
            found[f"base64 at {shift}"] = _middle_of_base64(plain, shift)
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, plain, usedforsecurity=False).digest()
            found |= {algorithm: digest, f"{algorithm} in hex": digest.hex().encode()}
            found[f"{algorithm} in base64"] = base64.b64encode(digest).rstrip(b"=")
        return found


def document_canaries(number: str) -> list[Canary]:
    """An 18-digit number in all forms in which people write it."""
    wide = "".join(chr(ord(character) + 0xFEE0) for character in number)
    return [
        Canary("document number", number),
        Canary("document number of 15 digits", number[:6] + number[8:17]),
        Canary("document number, full width", wide),
    ]


class Search:
    """Remembers where which canary was found."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._needles = [
            (f"{canary.name}, {form}", needle)
            for canary in canaries
            for form, needle in canary.needles.items()
        ]
        self.found: set[str] = set()
        self.searched: Mapping[str, int] = {}

    def look(self, where: str, content: bytes) -> None:
        """Look for every form of every canary."""
        self.searched = {**self.searched, where: len(content)}
        self.found |= {f"{where}: {what}" for what, needle in self._needles if needle in content}

    def look_into_files(self, where: str, folder: Path) -> None:
        """Look into every file below a folder."""
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                self.look(f"{where} {file.relative_to(folder)}", file.read_bytes())

    async def look_into_tables(self, dsn: str) -> None:
        """Look into every table of every schema of ours, as COPY writes it."""
        connection = await asyncpg.connect(dsn)
        try:
            for table in await _tables(connection):
                rows: list[bytes] = []

                async def keep(part: bytes, rows: list[bytes] = rows) -> None:
                    rows.append(part)

                await connection.copy_from_query(
                    f"SELECT * FROM {table}",
                    output=keep,
                )
                self.look(f"table {table}", b"".join(rows))
            activity = await connection.fetch("SELECT query FROM pg_catalog.pg_stat_activity")
            self.look("activity", repr([row["query"] for row in activity]).encode())
        finally:
            await connection.close()


async def _tables(connection: asyncpg.Connection[asyncpg.Record]) -> Iterator[str]:
    rows = await connection.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_catalog.pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
    )
    return iter([row["name"] for row in rows])


def _middle_of_base64(plain: bytes, shift: int) -> bytes:
    """The part of a text's base64 that does not depend on what stands around it."""
    encoded = base64.b64encode(b"\0" * shift + plain)
    begin = 4 if shift else 0
    end = len(encoded) - (4 if (shift + len(plain)) % 3 else 0)
    return encoded[begin:end]
