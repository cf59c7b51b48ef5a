"""The keys of access tokens while their issuer is there, away, or changes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.probe_database import SCHEMA, probe_database
from support.service_databases import MakeDatabase
from zikao_kit.db import Database
from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.token_keys import TokenKeyKeeper
from zikao_kit.tokens import TrustedKeys

KEYS = {f"k{n}": Ed25519PrivateKey.generate().public_key().public_bytes_raw() for n in range(4)}


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A pool on a probe database of its own."""
    async with probe_database(await make_database("probe")) as opened:
        yield opened


class Issuer:
    """Publishes keys, or is away."""

    def __init__(self, *key_ids: str) -> None:
        self.published = keys_of(*key_ids)
        self.away = False

    async def fetch(self) -> Mapping[str, bytes]:
        """Answer."""
        if self.away:
            raise DomainError(UNAVAILABLE)
        return self.published


class Service:
    """One life of a process that verifies tokens."""

    def __init__(self, database: Database, issuer: Issuer) -> None:
        self.trusted = TrustedKeys()
        self.keeper = TokenKeyKeeper(database, SCHEMA, issuer.fetch, self.trusted)

    def known(self) -> dict[str, bytes]:
        """What is trusted now."""
        found = {key_id: self.trusted.get(key_id) for key_id in KEYS}
        return {key_id: key.public_bytes_raw() for key_id, key in found.items() if key}


def keys_of(*key_ids: str) -> dict[str, bytes]:
    """Some of the keys."""
    return {key_id: KEYS[key_id] for key_id in key_ids}


async def test_keys_are_known_after_a_restart_without_the_issuer(database: Database) -> None:
    """Who knows no key yet says UNAVAILABLE; what was published once counts from the next start."""
    issuer = Issuer("k0", "k1")
    first = Service(database, issuer)
    await first.keeper.recall()
    with pytest.raises(DomainError) as caught:
        first.known()
    assert caught.value.reason == UNAVAILABLE
    assert await first.keeper.work() is False
    assert first.known() == keys_of("k0", "k1")
    issuer.away = True
    second = Service(database, issuer)
    await second.keeper.recall()
    with pytest.raises(DomainError):
        await second.keeper.work()
    assert second.known() == keys_of("k0", "k1")


async def test_a_rotation_is_followed(database: Database) -> None:
    """New keys are trusted, withdrawn ones are not any more, also after a restart."""
    issuer = Issuer("k0", "k1")
    service = Service(database, issuer)
    await service.keeper.work()
    issuer.published = keys_of("k1", "k2")
    await service.keeper.work()
    assert service.known() == keys_of("k1", "k2")
    issuer.published = {"k1": KEYS["k3"]}  # another key under a known id
    await service.keeper.work()
    assert service.known() == {"k1": KEYS["k3"]}
    restarted = Service(database, issuer)
    await restarted.keeper.recall()
    assert restarted.known() == {"k1": KEYS["k3"]}


async def test_an_empty_answer_changes_nothing(database: Database) -> None:
    """An issuer that has just lost its keys does not lock everybody out."""
    issuer = Issuer("k0")
    service = Service(database, issuer)
    await service.keeper.work()
    issuer.published = {}
    await service.keeper.work()
    assert service.known() == keys_of("k0")
    restarted = Service(database, issuer)
    await restarted.keeper.recall()
    assert restarted.known() == keys_of("k0")


async def test_an_answer_that_is_no_key_is_kept_nowhere(database: Database) -> None:
    """A broken key is an error at once, and no start after it finds it in the database."""
    issuer = Issuer("k0")
    service = Service(database, issuer)
    await service.keeper.work()
    issuer.published = keys_of("k1") | {"k2": b"short"}
    with pytest.raises(ValueError, match="32 bytes"):
        await service.keeper.work()
    assert service.known() == keys_of("k0")
    restarted = Service(database, issuer)
    await restarted.keeper.recall()
    assert restarted.known() == keys_of("k0")
