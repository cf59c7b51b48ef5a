"""In what order a process that has too much to do serves those who want seats."""

import asyncio
from types import SimpleNamespace

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from zikao.enrollment.v1 import enrollment_service_pb2, waiting_room_service_pb2
from zikao_kit.admission import Admission
from zikao_kit.policy import MethodPolicy
from zikao_kit.queueing import GOOD_LINE

ROOM = waiting_room_service_pb2.DESCRIPTOR.services_by_name["WaitingRoomService"]
ENROLLMENT = enrollment_service_pb2.DESCRIPTOR.services_by_name["EnrollmentService"]
SLOTS = GOOD_LINE
PATIENCE_SECONDS = 30.0


@pytest.mark.parametrize(
    ("service", "method", "order"),
    [
        (ENROLLMENT, "SubmitEnrollment", "abc"),
        (ROOM, "JoinWaitingRoom", "abc"),
        (ROOM, "GetPlace", "cba"),
    ],
)
async def test_a_line_that_stands_keeps_its_order_where_that_is_fair(
    monkeypatch: pytest.MonkeyPatch, service: ServiceDescriptor, method: str, order: str
) -> None:
    """Who wants a seat, or a place in the line for one, is not overtaken; who looks is."""
    now = 100.0
    monkeypatch.setattr("zikao_kit.admission.time", SimpleNamespace(monotonic=lambda: now))
    priority = MethodPolicy.of(service.methods_by_name[method]).priority
    gate = Admission(max_concurrent=SLOTS, max_queue_depth=10, max_queue_seconds=PATIENCE_SECONDS)
    for _ in range(SLOTS):
        await gate.enter(priority, PATIENCE_SECONDS, age_seconds=0.05)
    now += 0.15
    let_in: list[str] = []

    async def come(name: str) -> None:
        await gate.enter(priority, PATIENCE_SECONDS)
        let_in.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(come(name))
        await asyncio.sleep(0)
        for _ in "abc":
            gate.pass_on()
            await asyncio.sleep(0)
    assert "".join(let_in) == order
