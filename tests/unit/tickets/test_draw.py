"""The draw, and how seats are called."""

import hashlib
import hmac
from collections import Counter

import pytest
from zikao_tickets.domain.draw import SEED_BYTES, Draw, seed_sha256
from zikao_tickets.domain.layout import seat_label

SEED = bytes(range(SEED_BYTES))


def test_the_draw_can_be_computed_by_hand() -> None:
    """The stream is HMAC-SHA256 of label and block number under the seed, 8 bytes a number."""
    first = hmac.new(SEED, b"course:1:00015\x00" + bytes(8), hashlib.sha256).digest()[:8]
    assert Draw(SEED, "course:1:00015").below(1 << 32) == int.from_bytes(first) % (1 << 32)


def test_the_draw_is_fair() -> None:
    """Over many draws every candidate has every place about as often as any other."""
    places = Counter(Draw(SEED, str(number)).shuffled("abcde").index("c") for number in range(5000))
    assert all(count == pytest.approx(1000, rel=0.15) for count in places.values())


def test_a_seed_is_published_as_its_hash() -> None:
    """The hash is SHA-256 of the seed."""
    assert seed_sha256(SEED) == hashlib.sha256(SEED).digest()


def test_seat_labels_are_padded() -> None:
    """Seat 5 is '05' in a room of 30 and '005' in a hall of 120."""
    assert (seat_label(5, 30), seat_label(5, 120)) == ("05", "005")
