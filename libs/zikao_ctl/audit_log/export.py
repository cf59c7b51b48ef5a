"""Writes chains to a file that anybody can check by docs/audit-log.md alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from zikao_kit.audit_chain import FORMAT, Head, Link, canonical_json, instant
from zikao_kit.audit_reading import ChainReader
from zikao_kit.files import OWNER_ONLY

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


async def export(readers: Sequence[ChainReader], path: Path) -> int:
    """Write all sealed entries, a line of JSON each; return how many. Raises OSError.

    The file is there whole or not at all, and its owner alone may read it.
    """
    count = 0
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, _NEW, OWNER_ONLY), "w", encoding="utf-8") as file:
            for reader in readers:
                anchor = await reader.anchor()
                if anchor is not None:
                    count += await _write(reader, anchor, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


async def _write(reader: ChainReader, anchor: Head, file: IO[str]) -> int:
    count, behind = 0, anchor.number
    first = {"format": FORMAT, "service": reader.service, "anchor": anchor.number}
    _line(file, {**first, "sha256": anchor.hash.hex()})
    while links := await reader.links(behind):
        for link in links:
            _line(file, _told(link))
        count, behind = count + len(links), links[-1].number
    return count


def _told(link: Link) -> dict[str, object]:
    entry = link.entry
    told: dict[str, object] = {"number": link.number, "sealed_at": instant(link.sealed_at)}
    told |= {"audit_id": link.audit_id}
    if entry is not None:
        told |= {"at": instant(entry.at), "actor": entry.actor, "role": entry.role}
        told |= {"action": entry.action, "subject": entry.subject, "area": entry.area}
        told |= {"before": canonical_json(entry.before), "after": canonical_json(entry.after)}
    return {**told, "sha256": link.hash.hex()}


def _line(file: IO[str], content: dict[str, object]) -> None:
    file.write(json.dumps(content, ensure_ascii=False) + "\n")
