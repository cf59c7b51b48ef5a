"""What other rehearsals have shown, for the same page: `make mutation` and `make faults`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from zikao_kit.china_time import CHINA

from zikao_ctl.rush.report.elements import element
from zikao_ctl.rush.report.numbers import seconds, whole
from zikao_ctl.rush.report.tables import table, with_note
from zikao_ctl.rush.report.texts import FAULTS

MUTATION_FILE, FAULTS_FILE = Path("mutation/mutation.json"), Path("faults/report.json")


@dataclass(frozen=True)
class Found:
    """The content of a file, and when it was written."""

    content: Mapping[str, Any]
    written: datetime

    @property
    def when(self) -> str:
        """For people."""
        return f"{self.written.astimezone(CHINA):%Y年%-m月%-d日 %H:%M}"


@dataclass(frozen=True)
class Others:
    """The last of each, where there is one."""

    mutation: Found | None = None
    faults: Found | None = None


def read_others(out: Path) -> Others:
    """What there is in the folder into which all commands write. Raises ValueError, OSError."""
    return Others(
        _read(out / MUTATION_FILE, {"mutants", "caught", "verdicts"}),
        _read(out / FAULTS_FILE, {"verdict", "violations", "seed", "seconds", "faults", "kinds"}),
    )


def _read(file: Path, needed: Set[str]) -> Found | None:
    if not file.exists():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or needed - content.keys():
        raise ValueError(f"{file} is not what the page shows: {', '.join(sorted(needed))}")
    return Found(content, datetime.fromtimestamp(file.stat().st_mtime, CHINA))


def sections(others: Others) -> Iterator[Element]:
    """A section of each."""
    if others.faults:
        yield from _faults(others.faults)
    if others.mutation:
        yield from _mutation(others.mutation)


def _faults(found: Found) -> Iterator[Element]:
    content = found.content
    yield element("h2", "另一次演练：接连注入故障")
    yield element(
        "p",
        f"{found.when}（make faults，种子 {content['seed']}）：{seconds(content['seconds'])}内"
        f"注入 {whole(content['faults'])} 次故障，每次之后全面核对，"
        f"违反 {whole(content['violations'])} 处；结论 {content['verdict']}。",
    )
    yield table(
        ("故障", "次数", "恢复（中位）", "恢复（最长）", "结果不明的请求", "违反"),
        [
            (
                FAULTS.get(kind, kind),
                whole(each["count"]),
                seconds(each["recovery_median"]),
                seconds(each["recovery_max"]),
                whole(each["doubtful"]),
                whole(each["violations"]),
            )
            for kind, each in content["kinds"].items()
        ],
        figures=range(1, 6),
        missed=[each["violations"] > 0 for each in content["kinds"].values()],
    )


def _mutation(found: Found) -> Iterator[Element]:
    content = found.content
    yield element("h2", "另一项检验：拆掉安全机制，测试必须发现")
    yield element(
        "p",
        f"{found.when}（make mutation）：逐一拆除 {whole(content['mutants'])} 个安全机制"
        f"并重跑测试，{whole(content['caught'])} 个被发现。",
    )
    missed = [each for each in content["verdicts"] if not each["caught"]]
    caught = [each for each in content["verdicts"] if each["caught"]]
    if missed:
        yield element("p", "漏过的：")
        yield _mutants(missed)
    yield element("details", element("summary", f"被发现的 {len(caught)} 个"), _mutants(caught))


def _mutants(verdicts: Sequence[Mapping[str, Any]]) -> Element:
    return table(
        ("机制（英文，同 docs/safety.md）", "拆掉的后果"),
        [(with_note(each["mechanism"], each["name"]), each["harm"]) for each in verdicts],
        missed=[not each["caught"] for each in verdicts],
    )
