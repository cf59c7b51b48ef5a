"""The kinds of faults: each breaks something, makes sure that it is broken, and mends it.

A kind returns once the cause has ended: what is measured from then on is the recovery.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_client import new_request_id, patiently
from zikao_kit.clock import OFFSET_RECHECK_SECONDS, read_offset, write_offset

from zikao_ctl.faults.disk import StaysFull
from zikao_ctl.faults.proxy import Moment
from zikao_ctl.faults.scene import (
    DATABASE_AWAY,
    Connection,
    NoEffect,
    NotRecovered,
    Scene,
    until,
)
from zikao_ctl.faults.schedule import Fault

EFFECT_SECONDS = 5.0
MOST_CUTS = 4
WRITES = 64
JUMPS = {
    "+31 min": timedelta(minutes=31),
    "-5 min": timedelta(minutes=-5),
    "+2 h": timedelta(hours=2),
}
# Of one service the one that is in the middle of something, if there is any.
_BACKEND = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename = $1
ORDER BY xact_start IS NULL, state = 'active' DESC, random() LIMIT 1
"""
_AT_WORK = """
SELECT pid FROM pg_stat_activity
WHERE usename = $1 AND xact_start IS NOT NULL AND ($2::integer IS NULL OR pid = $2)
ORDER BY random() LIMIT 1
"""
MORE_TABLES = """
CREATE TEMPORARY TABLE ballast AS
SELECT repeat(md5(n::text), 30) AS words FROM generate_series(1, 8000) AS n;
DROP TABLE ballast
"""
# PostgreSQL stops at once when it cannot go on in its log; it has some files of it in advance.
MORE_LOG = "SELECT pg_logical_emit_message(false, 'faults', ''); SELECT pg_switch_wal()"
Inject: TypeAlias = Callable[[Scene, Fault], Awaitable[None]]


async def kill(scene: Scene, fault: Fault) -> None:
    """SIGKILL to a process of ours; it counts once another has taken its place."""
    process_id = _process(scene, fault.victim)
    os.kill(process_id, signal.SIGKILL)
    await until(
        lambda: scene.installation.process_ids.get(fault.victim) != process_id,
        EFFECT_SECONDS,
        lambda: f"{fault.victim} lives on",
        NoEffect,
    )


async def kill_backend(scene: Scene, fault: Fault) -> None:
    """SIGKILL to a process of PostgreSQL: it ends all its sessions and recovers."""
    async with scene.database() as database:
        process_id = await _backend(database, fault.victim)
        os.kill(process_id, signal.SIGKILL)
        await until(database.is_closed, EFFECT_SECONDS, lambda: "no session has ended", NoEffect)


async def freeze(scene: Scene, fault: Fault) -> None:
    """SIGSTOP for a while: connections stay, nobody answers."""
    await _stop(_process(scene, fault.victim), fault.seconds)


async def freeze_backend(scene: Scene, fault: Fault) -> None:
    """SIGSTOP to a session of the database, mostly in its transaction: its locks stay, too."""
    async with scene.database() as database:
        process_id = await until(
            lambda: _stopped_at_work(database, fault.victim),
            EFFECT_SECONDS,
            lambda: f"{fault.victim} does nothing",
            NoEffect,
        )
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            os.kill(process_id, signal.SIGCONT)


async def _stopped_at_work(database: Connection, role: str) -> int | None:
    """A session stopped in its transaction; None, and it goes on, where it was faster."""
    process_id: int | None = await database.fetchval(_AT_WORK, role, None)
    if process_id is None:
        return None
    os.kill(process_id, signal.SIGSTOP)
    keep = False
    try:
        keep = await database.fetchval(_AT_WORK, role, process_id) == process_id
    finally:
        if not keep:
            os.kill(process_id, signal.SIGCONT)
    return process_id if keep else None


async def _stop(process_id: int, seconds: float) -> None:
    os.kill(process_id, signal.SIGSTOP)
    try:
        await until(
            lambda: _state(process_id) == "T", EFFECT_SECONDS, lambda: "not stopped", NoEffect
        )
        await asyncio.sleep(seconds)
    finally:
        os.kill(process_id, signal.SIGCONT)


def cut_at(moment: Moment) -> Inject:
    """Lose the connection of the next COMMIT, or of several: who looks what became of it, too."""

    async def cut(scene: Scene, fault: Fault) -> None:
        before, times = scene.proxy.cuts, 1 + fault.seed % MOST_CUTS
        scene.proxy.cut_at_commit(moment, fault.victim, times)
        try:
            await until(
                lambda: scene.proxy.cuts == before + times,
                EFFECT_SECONDS,
                lambda: f"not {times} times was anything committed",
                NoEffect,
            )
        finally:
            scene.proxy.spare()

    return cut


async def cut_all(scene: Scene, fault: Fault) -> None:
    """Lose all connections to the database at once."""
    del fault
    if not scene.proxy.cut_all():
        raise NoEffect("there was no connection")
    await asyncio.sleep(0)


async def lose_network(scene: Scene, fault: Fault) -> None:
    """Nothing comes through to the database, and nobody is told."""
    if not scene.proxy.connections:
        raise NoEffect("there was no connection")
    try:
        scene.proxy.stop_passing()
        await asyncio.sleep(fault.seconds)
    finally:
        scene.proxy.spare()


async def refuse_connections(scene: Scene, fault: Fault) -> None:
    """All connections to the database are lost, and no new one is had."""
    try:
        scene.proxy.refusing = True
        if not scene.proxy.cut_all():
            raise NoEffect("there was no connection")
        await asyncio.sleep(fault.seconds)
    finally:
        scene.proxy.spare()


async def jump(scene: Scene, fault: Fault) -> None:
    """Move every process's clock."""
    file, by = scene.installation.clock_file, JUMPS[fault.victim].total_seconds()
    write_offset(file, read_offset(file) + by)
    await asyncio.sleep(2 * OFFSET_RECHECK_SECONDS)


async def fill_disk(scene: Scene, fault: Fault) -> None:
    """Not a byte is left on the database's disk."""
    if scene.disk is None:
        raise NoEffect("no small disk: no mount namespace, or not 1 GiB of memory beside it")
    try:
        with scene.disk.filled():
            if await _can_write(scene, MORE_TABLES if fault.victim == "tables" else MORE_LOG):
                raise NoEffect("there is room left")
            await asyncio.sleep(fault.seconds)
    except StaysFull as error:
        raise NotRecovered(str(error)) from error


async def _can_write(scene: Scene, more: str) -> bool:
    """Whether the database takes some MB, which are of no use to anybody else."""
    try:
        async with scene.database() as database:
            for _ in range(WRITES):
                await database.execute(more)
    except DATABASE_AWAY:
        return False
    return True


def misbehave(behaviour: sandbox.SetBehaviourRequest) -> Inject:
    """The payment platform does something bad for a while; it counts if it could."""

    async def inject(scene: Scene, fault: Fault) -> None:
        try:
            await _set(scene, behaviour)
            await asyncio.sleep(fault.seconds)
        finally:
            spoilt = await _set(scene, sandbox.SetBehaviourRequest())
        if not spoilt:
            raise NoEffect("nobody has paid meanwhile")

    return inject


async def _set(scene: Scene, behaviour: sandbox.SetBehaviourRequest) -> int:
    """How the platform behaves from now on; how much it has spoilt until now."""
    request = sandbox.SetBehaviourRequest(request_id=new_request_id(), copies=1)
    request.MergeFrom(behaviour)
    return (await patiently(lambda: scene.sandbox.SetBehaviour(request))).spoilt


def _process(scene: Scene, victim: str) -> int:
    process_id = scene.installation.process_ids.get(victim)
    if process_id is None:
        raise NoEffect(f"{victim} is not running")
    return process_id


async def _backend(database: Connection, role: str) -> int:
    process_id: int | None = await database.fetchval(_BACKEND, role)
    if process_id is None:
        raise NoEffect(f"{role} has no session")
    return process_id


def _state(process_id: int) -> str:
    """As /proc says it: T when stopped."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


INJECT: Mapping[str, Inject] = {
    "kill": kill,
    "kill_database": kill,
    "kill_backend": kill_backend,
    "freeze": freeze,
    "freeze_backend": freeze_backend,
    "cut_before_commit": cut_at(Moment.BEFORE),
    "cut_during_commit": cut_at(Moment.DURING),
    "cut_after_commit": cut_at(Moment.AFTER),
    "cut_all": cut_all,
    "lose_network": lose_network,
    "refuse_connections": refuse_connections,
    "platform_slow": misbehave(
        sandbox.SetBehaviourRequest(max_delay=Duration(seconds=2), answer_delay=Duration(seconds=1))
    ),
    "platform_repeats": misbehave(sandbox.SetBehaviourRequest(copies=3)),
    "platform_reorders": misbehave(
        sandbox.SetBehaviourRequest(max_delay=Duration(seconds=1), copies=2, reorder=True)
    ),
    "platform_down": misbehave(sandbox.SetBehaviourRequest(refused_percent=100)),
    "platform_loses_answers": misbehave(sandbox.SetBehaviourRequest(lost_answers_percent=50)),
    "full_disk": fill_disk,
    "clock_jump": jump,
}
