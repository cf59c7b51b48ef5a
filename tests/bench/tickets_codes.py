"""A thousand tickets' codes read off paper, and a thousand forgeries.

Every ticket is printed and its page put into one bit at 150 dpi, as printed and with the code
reduced to 25 mm; then a forgery of each, made in seven ways, is asked about as text and off paper.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.ticket_codes import (
    PAGE,
    is_accepted,
    printed_pages,
    tampered,
    tickets,
)
from zikao_tickets.printing import TicketRenderer, TicketSheet

TICKETS = 1000
PAGES_A_TURN = 50
Found = dict[str, int]


async def measure_codes(_: Path) -> Mapping[str, Any]:
    """What is reported of codes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context) as pool:
        loop = asyncio.get_running_loop()
        starts = range(0, TICKETS, PAGES_A_TURN)
        turns = [loop.run_in_executor(pool, _turn, start) for start in starts]
        found = await asyncio.gather(*turns)
    codes = {key: sum(turn[key] for turn in found) for key in found[0]}
    codes["narrowest_tenth_mm"] = min(turn["narrowest_tenth_mm"] for turn in found)
    return {"ratios": {}, "codes": codes}


def _turn(start: int) -> Found:
    """Some of the tickets and their forgeries."""
    coded = tickets(TICKETS)[start : start + PAGES_A_TURN]
    renderer = TicketRenderer()
    reads = list(printed_pages(renderer, [ticket.sheet() for ticket in coded]))
    forged = [text for _, text in tampered(coded, seed=start)]
    printed = list(_printed(renderer, [replace(PAGE, qr_text=text) for text in forged]))
    pairs = list(zip(coded, reads, strict=True))
    return {
        "tickets": len(coded),
        "decoded": sum(read.as_printed == ticket.text for ticket, read in pairs),
        "decoded_at_25_mm": sum(read.small == ticket.text for ticket, read in pairs),
        "verified": sum(is_accepted(read.as_printed) for read in reads),
        "tampered": len(forged),
        "tampered_rejected": sum(not is_accepted(text) for text in forged),
        "tampered_rejected_off_paper": sum(
            read == text and not is_accepted(read)
            for read, text in zip(printed, forged, strict=True)
        ),
        "narrowest_tenth_mm": min(round(10 * read.printed_mm) for read in reads),
    }


def _printed(renderer: TicketRenderer, sheets: Sequence[TicketSheet]) -> Iterator[str]:
    return (read.as_printed for read in printed_pages(renderer, sheets))
