"""The sandbox's payment platform as a process, over mutual TLS, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from support.certificates import channel_credentials
from support.service import Caller, free_port, new_id, until, until_serving
from zikao.enrollment.v1 import errors_pb2
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from zikao_kit.cli import CONFIG_EXIT_CODE
from zikao_kit.clock import SystemClock
from zikao_kit.config import ServerConfig
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import problem_of
from zikao_kit.server import GrpcServer, definition
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenVerifier, TrustedKeys

ORDERS = 5


class Receiver(rpc.PaymentNotificationServiceServicer):
    """Where the words of payments arrive; refuses as many as it is told to."""

    def __init__(self) -> None:
        self.arrived: list[pb.Payment] = []
        self.refusals = 0

    async def NotifyPayment(
        self, request: pb.NotifyPaymentRequest, context: Any
    ) -> pb.NotifyPaymentResponse:
        """Store it, or fail as a service that is restarting does."""
        if self.refusals:
            self.refusals -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        self.arrived.append(request.payment)
        return pb.NotifyPaymentResponse()


@asynccontextmanager
async def receiving(ca: DevelopmentCa) -> AsyncIterator[tuple[Receiver, int]]:
    """A server with enrollment's certificate, and its port."""
    config = ServerConfig("127.0.0.1:0", ca.issue("enrollment"), drain_wait_seconds=0.0)
    receiver = Receiver()
    server = GrpcServer(
        config=config,
        domain="enrollment",
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(TrustedKeys().get, SystemClock()),
    )
    port = await server.start()
    server.publish([definition(rpc, pb, "PaymentNotificationService", receiver)])
    try:
        yield receiver, port
    finally:
        await server.stop()


class Platform:
    """The process, and how enrollment and an operator call it."""

    def __init__(self, folder: Path, ca: DevelopmentCa, enrollment_port: int) -> None:
        self.target = f"127.0.0.1:{free_port()}"
        self._ca = ca
        files = ca.issue("payment-platform")
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ZIKAO_SANDBOX__SERVER__LISTEN": self.target,
            "ZIKAO_SANDBOX__SERVER__TLS__CERT_FILE": str(files.cert_file),
            "ZIKAO_SANDBOX__SERVER__TLS__KEY_FILE": str(files.key_file),
            "ZIKAO_SANDBOX__SERVER__TLS__CA_FILE": str(files.ca_file),
            "ZIKAO_SANDBOX__SERVER__DRAIN_WAIT_SECONDS": "0",
            "ZIKAO_SANDBOX__DATABASE_FILE": str(folder / "platform.db"),
            "ZIKAO_SANDBOX__ENROLLMENT__TARGET": f"127.0.0.1:{enrollment_port}",
            "ZIKAO_SANDBOX__ENROLLMENT__SERVER_NAME": "enrollment",
        }

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process; killed without a word at the end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "zikao_sandbox"],
            env=self._environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @asynccontextmanager
    async def called_by(self, name: str) -> AsyncIterator[Caller]:
        """Who has the certificate of `name`, when the process serves."""
        options = [("grpc.max_reconnect_backoff_ms", 200)]
        credentials = channel_credentials(self._ca.issue(name))
        async with grpc.aio.secure_channel(self.target, credentials, options) as channel:
            await until_serving(channel)
            yield Caller(channel)

    async def create_order(self, order_id: str) -> str:
        """The payment code of an order of 35 yuan."""
        pay_before = time_to_pb(datetime.now(UTC) + timedelta(minutes=30))
        request = pb.CreatePaymentOrderRequest(
            order_id=order_id, amount_fen=3500, pay_before=pay_before
        )
        async with self.called_by("enrollment") as enrollment:
            return str((await enrollment.call(request)).payment_code)

    async def pay(self, payment_code: str) -> pb.Payment:
        """Pay as the candidate."""
        request = sandbox_pb.PayOrderRequest(request_id=new_id(), payment_code=payment_code)
        async with self.called_by("operator") as operator:
            payment: pb.Payment = (await operator.call(request)).payment
        return payment

    async def behave(self, *, copies: int = 1, max_delay_seconds: float = 0.0) -> None:
        """Set how notifications go out."""
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=max_delay_seconds))
        request = sandbox_pb.SetBehaviourRequest(
            request_id=new_id(), max_delay=delay, copies=copies, reorder=True
        )
        async with self.called_by("operator") as operator:
            await operator.call(request)


async def test_words_of_payments_survive_a_kill(tmp_path: Path) -> None:
    """Payments made just before kill -9 are told after the restart, every one, as often as set."""
    ca = DevelopmentCa(tmp_path / "certs")
    async with receiving(ca) as (receiver, port):
        platform = Platform(tmp_path, ca, port)
        with platform.running():
            await platform.behave(copies=2, max_delay_seconds=3600.0)
            codes = [await platform.create_order(new_id()) for _ in range(ORDERS)]
            owed_late = [await platform.pay(code) for code in codes]
            await platform.behave(copies=2)
            receiver.refusals = 10_000
            paid = [await platform.pay(code) for code in codes]
        assert receiver.arrived == []
        receiver.refusals = 0
        with platform.running():
            await until(lambda: len(receiver.arrived) >= 2 * ORDERS)
        told = {payment.payment_id: payment for payment in receiver.arrived}
        assert told == {payment.payment_id: payment for payment in paid}
        assert not told.keys() & {payment.payment_id for payment in owed_late}


async def test_an_unanswered_word_is_repeated(tmp_path: Path) -> None:
    """A notification that fails is sent again until it is answered, and then no more."""
    ca = DevelopmentCa(tmp_path / "certs")
    async with receiving(ca) as (receiver, port):
        receiver.refusals = 2
        platform = Platform(tmp_path, ca, port)
        with platform.running():
            first = await platform.pay(await platform.create_order(new_id()))
            await until(lambda: receiver.arrived)
            # Who sends this one has looked again for what is owed: the first would come with it.
            second = await platform.pay(await platform.create_order(new_id()))
            await until(lambda: second in receiver.arrived)
        assert (receiver.arrived, receiver.refusals) == ([first, second], 0)


async def test_a_bad_platform_says_how_bad_it_was(tmp_path: Path) -> None:
    """One that is down does nothing and tells nobody; one that loses answers has done it."""
    ca = DevelopmentCa(tmp_path / "certs")
    async with receiving(ca) as (receiver, port):
        platform = Platform(tmp_path, ca, port)
        with platform.running():
            async with platform.called_by("operator") as operator:

                async def behave(**behaviour: Any) -> int:
                    request = sandbox_pb.SetBehaviourRequest(request_id=new_id(), copies=1)
                    request.MergeFrom(sandbox_pb.SetBehaviourRequest(**behaviour))
                    return int((await operator.call(request)).spoilt)

                code, refused, lost = await platform.create_order(new_id()), new_id(), new_id()
                assert await behave(refused_percent=100) == 0
                assert await open_badly(platform, refused) == "UNAVAILABLE"
                assert await query_badly(platform, refused) == "UNAVAILABLE"
                payment = await platform.pay(code)
                assert receiver.arrived == []
                assert await behave(lost_answers_percent=100) == 3
                await until(lambda: receiver.arrived == [payment])
                assert await open_badly(platform, lost) == "UNAVAILABLE"
                assert await behave(answer_delay=Duration(nanos=1_000_000)) == 1
                assert await query_badly(platform, refused) == "NOT_FOUND"
                assert await query_badly(platform, lost) == ""
                assert await behave() == 2


async def open_badly(platform: Platform, order_id: str) -> str:
    """The reason why an order is not opened, as far as enrollment knows."""
    try:
        await platform.create_order(order_id)
    except grpc.aio.AioRpcError as error:
        return problem_of(error).reason
    return ""


async def query_badly(platform: Platform, order_id: str) -> str:
    """The reason why nothing is known of an order."""
    async with platform.called_by("enrollment") as enrollment:
        try:
            await enrollment.call(pb.QueryPaymentOrderRequest(order_id=order_id))
        except grpc.aio.AioRpcError as error:
            return problem_of(error).reason
    return ""


async def test_only_the_operator_pulls_the_strings(tmp_path: Path) -> None:
    """Enrollment's certificate cannot pay, and the operator's cannot open orders."""
    ca = DevelopmentCa(tmp_path / "certs")
    platform = Platform(tmp_path, ca, enrollment_port=1)
    pay = sandbox_pb.PayOrderRequest(request_id=new_id(), payment_code="1")
    query = pb.QueryPaymentOrderRequest(order_id=new_id())
    with platform.running():
        for name, request in (("enrollment", pay), ("operator", query)):
            async with platform.called_by(name) as caller:
                assert (await caller.refused(request)).reason == "PERMISSION_DENIED"


def test_a_wrong_configuration_is_refused_in_words() -> None:
    """All that is wrong or missing is told at once, without a traceback."""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "ZIKAO_SANDBOX__ENROLMENT": "x:1"}
    process = subprocess.run(
        [sys.executable, "-m", "zikao_sandbox"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == CONFIG_EXIT_CODE
    assert process.stderr.startswith("configuration refused:\n")
    assert "enrolment: unknown; did you mean enrollment?" in process.stderr
    assert "Traceback" not in process.stderr
