"""What scanners carry is read once a second, however many ask for it."""

import asyncio

import pytest
from zikao.tickets.v1.verification_service_pb2 import GetVerificationDataResponse, RevokedTicket
from zikao_tickets import verification_data
from zikao_tickets.verification_data import Made, VerificationData

KEPT_SECONDS = 0.05


class Source:
    """Revocations to be read: counts the readings, which take a turn of the loop."""

    def __init__(self, revoked: int) -> None:
        self.readings = 0
        self.fails = False
        self._revoked = [RevokedTicket(version=1)] * revoked

    async def read(self, session_code: str) -> Made[GetVerificationDataResponse]:
        """Read once more."""
        self.readings += 1
        await asyncio.sleep(0)
        if self.fails:
            raise ConnectionError(session_code)
        answer = GetVerificationDataResponse(revoked=self._revoked)
        return Made(answer, is_heavy=bool(self._revoked))


async def test_many_callers_share_one_reading() -> None:
    """A hundred at once, and one after them, get one answer; another session has its own."""
    source = Source(revoked=3)
    data = VerificationData(source.read)
    answers = await asyncio.gather(*(data.of("22.1") for _ in range(100)))
    assert {id(answer) for answer in (*answers, await data.of("22.1"))} == {id(answers[0])}
    assert source.readings == 1
    await data.of("22.2")
    assert source.readings == 2


async def test_an_answer_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the time has passed the next caller gets what is there then."""
    monkeypatch.setattr(verification_data, "KEPT_SECONDS", KEPT_SECONDS)
    source = Source(revoked=1)
    data = VerificationData(source.read)
    first = await data.of("22.1")
    await asyncio.sleep(2 * KEPT_SECONDS)
    assert await data.of("22.1") is not first


async def test_sessions_without_revocations_fill_no_memory() -> None:
    """A thousand codes that there are not leave nothing behind."""
    data = VerificationData(Source(revoked=0).read)
    for number in range(1000):
        await data.of(str(number))
    assert not data._kept
    assert not data._reading


async def test_a_failed_reading_is_not_kept() -> None:
    """The caller gets the error, the next one a new reading."""
    source = Source(revoked=1)
    data = VerificationData(source.read)
    source.fails = True
    with pytest.raises(ConnectionError):
        await data.of("22.1")
    source.fails = False
    assert len((await data.of("22.1")).revoked) == 1
