"""Decoding beside the event loop: a short queue, and one picture of a candidate."""

import asyncio
from collections.abc import Iterator
from functools import partial
from threading import Event
from uuid import UUID, uuid4

import pytest
from support.service import until
from zikao_kit.errors import DomainError
from zikao_registration.pictures import PICTURES_AT_ONCE, Pictures


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    """Room for three that wait."""
    made = Pictures(max_waiting=3)
    yield made
    made.close()


class Decoder:
    """Is busy until it is let go."""

    def __init__(self) -> None:
        self.go = Event()
        self.begun = 0

    def __call__(self, original: bytes) -> bytes:
        """Wait, and give back what came."""
        self.begun += 1
        assert self.go.wait(20)
        return original

    def has_begun(self, times: int) -> bool:
        """Say whether so many pictures are with it."""
        return self.begun == times


async def begin(pictures: Pictures, owner: UUID, decoder: Decoder) -> asyncio.Task[bytes]:
    """A picture on its way."""
    task = asyncio.create_task(pictures.decode(owner, decoder, b"jpeg"))
    await asyncio.sleep(0)
    return task


async def test_few_wait(pictures: Pictures) -> None:
    """Beyond the queue's length candidates are told to come again; later they may."""
    decoder = Decoder()
    tasks = [await begin(pictures, uuid4(), decoder) for _ in range(PICTURES_AT_ONCE + 3)]
    with pytest.raises(DomainError, match="OVERLOADED") as refused:
        await pictures.decode(uuid4(), decoder, b"jpeg")
    assert refused.value.retry_after
    decoder.go.set()
    assert await asyncio.gather(*tasks) == [b"jpeg"] * len(tasks)
    assert await pictures.decode(uuid4(), decoder, b"jpeg") == b"jpeg"


async def test_one_picture_a_candidate(pictures: Pictures) -> None:
    """While one of a candidate is in work the next is refused, and another candidate's taken."""
    decoder, owner = Decoder(), uuid4()
    first = await begin(pictures, owner, decoder)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await pictures.decode(owner, decoder, b"jpeg")
    other = await begin(pictures, uuid4(), decoder)
    decoder.go.set()
    assert [await first, await other] == [b"jpeg"] * 2
    assert await pictures.decode(owner, decoder, b"jpeg") == b"jpeg"


async def test_who_gives_up_frees_the_place_and_not_the_thread(pictures: Pictures) -> None:
    """However many give up, no more pictures are decoded at once."""
    busy, quick, owner = Decoder(), Decoder(), uuid4()
    quick.go.set()
    for count in range(1, PICTURES_AT_ONCE + 1):
        task = await begin(pictures, owner, busy)
        await until(partial(busy.has_begun, count))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    late = await begin(pictures, owner, quick)
    await asyncio.sleep(0.05)
    assert quick.begun == 0
    busy.go.set()
    assert await late == b"jpeg"
