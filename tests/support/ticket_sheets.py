"""Sheets of tickets as tests print them, with real proofs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.printing import SittingLine, TicketSheet
from zikao_tickets.proof import ProofSitting, TicketProof, name_hash, photo_hash, sign

RARE_NAME = "张𬭎"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOTICE = (
    "一、考生须凭本准考证和有效居民身份证原件，按规定的时间、考点、考场、座位参加考试。",
    "二、开考15分钟后禁止入场，开考30分钟后方可交卷离场。",
    "三、严禁携带手机、智能手表（手环）等具有发送或接收信息功能的设备进入考场。",
)
MORNING = {"date": "2022年4月16日", "weekday": "星期六", "time": "09:00—11:30"}
AFTERNOON = {"date": "2022年4月17日", "weekday": "星期日", "time": "14:30—17:00"}
HISTORY = {"course_code": "03708", "course_name": "中国近现代史纲要"}
ENGLISH = {"course_code": "13000", "course_name": "英语（专升本）"}
SCHOOL = {"site_name": "成都市第十七中学", "site_address": "锦江区通盈街368号"}
OTHER_SCHOOL = {"site_name": "盐道街中学", "site_address": "锦江区盐道街1号"}
LINES = (
    SittingLine(**MORNING, **HISTORY, **SCHOOL, room="012", seat="05"),
    SittingLine(**AFTERNOON, **ENGLISH, **OTHER_SCHOOL, room="108", seat="29"),
)


def sheet(
    number: int = 1, name: str = RARE_NAME, lines: Sequence[SittingLine] = LINES
) -> TicketSheet:
    """A complete ticket with a real proof."""
    ticket_number = f"0104221{number:05}"
    photo = portrait_jpeg(number, "男")
    proof = TicketProof(
        session_code="22.1",
        ticket_number=ticket_number,
        version=1,
        name_hash=name_hash(name),
        photo_hash=photo_hash(photo),
        sittings=tuple(
            ProofSitting(slot, "S01", line.room, line.seat)
            for slot, line in enumerate(lines, start=1)
        ),
    )
    return TicketSheet(
        session_name="2022年4月高等教育自学考试",
        session_code="22.1",
        name=name,
        sex="男",
        document_number="513101198201130014",
        ticket_number=ticket_number,
        county_name="成都市锦江区",
        photo_jpeg=photo,
        version=1,
        serial=f"22.1-510104-{number:06}",
        sittings=tuple(lines),
        notice=NOTICE,
        notice_version="2022-04-08",
        qr_text=sign(proof, "2022a", KEY),
        issued_at=datetime(2022, 4, 11, 9, 5, tzinfo=ZoneInfo("Asia/Shanghai")),
    )


def long_sheet() -> TicketSheet:
    """Four sittings with long sites, and a notice of 1,500 characters."""
    lines = [
        replace(
            line,
            site_name="四川省成都市锦江区成都市第十七中学（高等教育自学考试标准化考点第三分考点）",
            site_address="四川省成都市锦江区通盈街368号（地铁六号线玉双路站B口步行八百米）",
        )
        for line in (*LINES, *LINES)
    ]
    notice = tuple(f"{number}、{NOTICE[0]}{NOTICE[2]}" for number in range(1, 20))
    return replace(sheet(lines=lines), notice=notice)
