"""What processes expose at /metrics, and what docs/observability.md says of it."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.services import SERVICES
from zikao_ctl.installation import Installation

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
# Of a histogram and its sums, which the page names once.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
_ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \| (?P<of>[^|]+)"
    r" \| (?P<says>.+) \|$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Described:
    """A metric: its name, kind, labels, the services that have it, and its help text."""

    name: str
    kind: str
    labels: frozenset[str]
    of: frozenset[str]
    says: str

    def row(self) -> str:
        """Its row of the page."""
        labels = ", ".join(f"`{label}`" for label in sorted(self.labels)) or "–"
        of = "all" if self.of == set(SERVICES) else ", ".join(sorted(self.of))
        return f"| `{self.name}` | {self.kind} | {labels} | {of} | {self.says} |"


def written() -> dict[str, Described]:
    """All rows of the page, by name."""
    found = {}
    for row in _ROW.finditer(PAGE.read_text(encoding="utf-8")):
        of = SERVICES if row["of"] == "all" else row["of"].split(", ")
        labels = frozenset(re.findall(r"`(\w+)`", row["labels"]))
        found[row["name"]] = Described(row["name"], row["kind"], labels, frozenset(of), row["says"])
    return found


async def scraped(installation: Installation) -> dict[str, list[Metric]]:
    """What each service exposes now."""
    return {
        service: await asyncio.to_thread(scrape, installation.ports[f"{service}-metrics"])
        for service in SERVICES
    }


def scrape(port: int) -> list[Metric]:
    """All families that a process on this machine exposes."""
    return list(text_string_to_metric_families(scraped_text(port)))


def scraped_text(port: int) -> str:
    """The same as it comes."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def exposed(families: Mapping[str, Iterable[Metric]]) -> dict[str, Described]:
    """What is exposed, by name; labels only of those that have samples."""
    found: dict[str, Described] = {}
    for service, metrics in families.items():
        for metric in metrics:
            name = metric.name + ("_total" if metric.type == "counter" else "")
            labels = {label for each in metric.samples for label in each.labels} - {"le"}
            before = found.get(name)
            found[name] = Described(
                name,
                metric.type,
                frozenset(labels | (before.labels if before else set())),
                frozenset({service} | (before.of if before else set())),
                metric.documentation,
            )
    return found
