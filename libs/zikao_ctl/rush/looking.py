"""What there is after a rehearsal on an installation of one's own: by SQL, and by files."""

from __future__ import annotations

import asyncpg
from zikao_kit.clock import OffsetClock

from zikao_ctl.installation import Installation
from zikao_ctl.invariants import count_violations
from zikao_ctl.rush import checking
from zikao_ctl.rush.assembling import Found, Run
from zikao_ctl.rush.preparing import opens_at


async def look_at(installation: Installation, run: Run) -> Found:
    """Compare and count; nothing is on its way any more."""
    dsn, opening = installation.admin_dsn, opens_at(run.scenario, run.session)
    platform_file = installation.layout.payment_ledger
    payments, notified = await checking.booked(dsn, run.session.code, run.paid, opening.timestamp())
    return Found(
        target="embedded",
        checks=await checking.compare(dsn, platform_file, run.session.code, run.acks),
        payments=payments,
        notified=notified.latencies(),
        violations=await count_violations(dsn, OffsetClock(installation.clock_file).now()),
        postgres=await _version(dsn),
        notes_zh=(
            "报考服务独占一个处理器核；数据库、发压端与其余服务共用其他的核。",
            "考生按旧系统考生的方式写入注册服务，再经推送到达报考与准考证服务。",
            f"其中{run.scenario.logins}人用口令登录，其余的令牌用本安装的签名密钥签发："
            "十万次口令验算需一小时以上。",
            f"获得考位者中约{run.scenario.pay.share:.0%}在演练中缴费，其余到期释放。",
            "发压端、数据库与各服务共用本机处理器。",
        ),
    )


async def _version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()
