"""What the audit's chain hashes, and what it takes for a break."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from zikao_kit.audit_chain import (
    Entry,
    Head,
    Link,
    canonical_json,
    first_break,
    genesis,
    link_hash,
)
from zikao_kit.config import require_audit_retention

AT = datetime(2022, 2, 28, 1, 0, 0, 5, tzinfo=UTC)
ENTRY = Entry(7, AT, "officer", "county", "set_limit", None, "510104", '{"a": 1}', "{}")


def chain_of(*entries: Entry) -> list[Link]:
    """Entries sealed one after the other."""
    head, links = genesis("tickets"), []
    for number, entry in enumerate(entries, 1):
        head = Head(number, link_hash(head.hash, number, AT, entry))
        links.append(Link(number, entry.audit_id, AT, head.hash, entry))
    return links


def broken_at(links: list[Link]) -> int | None:
    """The number of the first link that does not hold."""
    _, broken = first_break(genesis("tickets"), links)
    return None if broken is None else broken.number


def test_the_first_hash_is_the_one_that_was_published() -> None:
    """A change of the format makes every chain there is unreadable: it needs a new version."""
    assert genesis("tickets").hash.hex() == (
        "a154352054f7a511e860879f4a44ecbbeda0254ee187a1ad5deb3abb6cc4358a"
    )
    assert chain_of(ENTRY)[0].hash.hex() == (
        "5e1593e39c409e3c63a3cc17e1438fc41cab2e67d91f947a6a2fa0a27b5b09ce"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"audit_id": 8},
        {"at": AT + timedelta(microseconds=1)},
        {"actor": "office"},
        {"actor": "officercounty", "role": ""},
        {"role": "city"},
        {"action": "set_limits"},
        {"subject": ""},
        {"area": "510105"},
        {"before": '{"a": 2}'},
        {"before": '{"a": 1.0}'},
        {"after": '{"a": 1}'},
    ],
)
def test_every_field_counts(change: dict[str, Any]) -> None:
    """A changed field is seen, and so is text that moved from one field into the next."""
    first, second, third = chain_of(ENTRY, ENTRY, ENTRY)
    assert broken_at([first, second, third]) is None
    assert broken_at([first, replace(second, entry=replace(ENTRY, **change)), third]) == 2


def test_what_is_not_in_the_entry_counts_too() -> None:
    """The time it was sealed, its place, and that it is there at all."""
    first, second, third = chain_of(ENTRY, replace(ENTRY, audit_id=8), replace(ENTRY, audit_id=9))
    assert broken_at([first, replace(second, sealed_at=AT + timedelta(seconds=1)), third]) == 2
    assert broken_at([first, replace(second, entry=None), third]) == 2
    assert broken_at([first, third]) == 2
    assert broken_at([first, replace(third, number=2), replace(second, number=3)]) == 2
    assert broken_at([second, third]) == 1


def test_whoever_changes_one_must_change_all_after() -> None:
    """An entry that was exchanged together with its hash does not fit the one behind it."""
    first, second, third = chain_of(ENTRY, ENTRY, ENTRY)
    other = replace(ENTRY, actor="nobody")
    forged = replace(second, entry=other, hash=link_hash(first.hash, 2, AT, other))
    assert broken_at([first, forged]) is None
    assert broken_at([first, forged, third]) == 3


def test_the_same_value_has_one_text() -> None:
    """Whatever form JSON and times come in."""
    assert canonical_json('{"b":[1 ,null], "a":"\\u00e9\\n\\u001f"}') == (
        '{"a":"é\\n\\u001f","b":[1,null]}'
    )
    assert canonical_json('{"z": {"b": true, "a": 12.50}, "a": [0.10]}') == (
        '{"a":[0.10],"z":{"a":12.50,"b":true}}'
    )
    moved = replace(ENTRY, at=AT.astimezone(timezone(timedelta(hours=8))), before='{"a":1}')
    assert chain_of(moved) == [replace(link, entry=moved) for link in chain_of(ENTRY)]


@pytest.mark.parametrize("days", [-1, 1, 183, 10**6])
def test_too_short_a_retention_is_refused(days: int) -> None:
    """Audit logs are kept for six months at least."""
    with pytest.raises(ValueError, match="audit_retention_days must be from 184"):
        require_audit_retention(days)


@pytest.mark.parametrize("days", [0, 184, 1096])
def test_a_retention_is_taken(days: int) -> None:
    """From six months on, or for ever."""
    require_audit_retention(days)


def test_an_integer_of_any_length_is_hashed() -> None:
    """PostgreSQL keeps more digits than Python reads by itself: they stay as they are."""
    digits = "9" * 5000
    assert canonical_json(f'{{"b": [-{digits}], "a": 7}}') == f'{{"a":7,"b":[-{digits}]}}'
