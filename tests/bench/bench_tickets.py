"""Tickets: a session arranged with its proofs, beside a raw COPY; its paper, beside typst.

Each part measures by itself and tells what is to be reported; names of parts as arguments measure
only those.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.tickets_arranging import measure_arranging
from bench.tickets_codes import measure_codes
from bench.tickets_paper import measure_paper
from bench.tickets_targets import targets_of
from support.bench import report
from support.targets import nothing_owed
from zikao_kit.config import LogConfig
from zikao_kit.logs import configure_logging

Measure = Callable[[Path], Awaitable[Mapping[str, Any]]]
"""Measures in an empty folder; what the parts tell is put together, key by key."""

PARTS: Mapping[str, Measure] = {
    "arranging": measure_arranging,
    "codes": measure_codes,
    "paper": measure_paper,
}


async def bench(names: list[str]) -> bool:
    """Measure and report, each target with its figure; whether nothing was found to be wrong.

    What is slow is said and stored, and is no fault.
    """
    ratios: dict[str, float] = {}
    more: dict[str, Any] = {}
    for name in names:
        with TemporaryDirectory(prefix="zikao-bench-") as folder:
            found = dict(await PARTS[name](Path(folder)))
        ratios |= found.pop("ratios")
        more |= {key: _joined(more.get(key), value) for key, value in found.items()}
    targets = targets_of({"ratios": ratios, **more})
    report("tickets", {}, ratios, targets=targets, **more)
    return nothing_owed(targets)


def _joined(known: Any, new: Any) -> Any:
    return {**known, **new} if isinstance(known, dict) else new


if __name__ == "__main__":
    configure_logging("bench", LogConfig(level="error"))
    sys.exit(0 if asyncio.run(bench(sys.argv[1:] or [*PARTS])) else 1)
