"""Ids: read as `uuid` reads them, and made in the order of time."""

import time
from uuid import UUID, uuid4

import pytest
from zikao_kit.ids import new_ordered_id, uuid_of


def test_an_id_is_read_as_the_standard_library_reads_it() -> None:
    """Equal, of equal hash, and written the same; what is none is a ValueError."""
    for known in (uuid4(), UUID(int=7)):
        read = uuid_of(str(known))
        assert read == known
        assert hash(read) == hash(known)
        assert isinstance(read, UUID)
        assert str(read) == str(known)
    with pytest.raises(ValueError, match="7"):
        uuid_of("7")


def test_new_ids_sort_by_time() -> None:
    """Version 7, as RFC 9562 has it: the millisecond first; no two are the same."""
    before = time.time_ns() // 1_000_000
    made = []
    for _ in range(5):
        made.append(new_ordered_id())
        time.sleep(0.002)
    assert made == sorted(made)
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {"specified in RFC 4122"}
    assert all(before <= each.int >> 80 <= before + 10_000 for each in made)
    assert len({new_ordered_id() for _ in range(1000)}) == 1000
