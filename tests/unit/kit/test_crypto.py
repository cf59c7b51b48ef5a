"""Personal data at rest: key files, encryption bound to its place, blind indexes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from zikao_kit.crypto import (
    NONCE_BYTES,
    TAG_BYTES,
    DecryptionFailed,
    KeyFileInvalid,
    KeyRing,
)

NUMBER = "11010519491231002X"
CONTEXT = "registration.candidate.personal:1"
K1, K2, INDEX = (bytes([byte]) * 32 for byte in (1, 2, 9))
RING = KeyRing("k1", {"k1": K1}, INDEX)


def b64(key: bytes) -> str:
    """A key as key files hold it."""
    return base64.b64encode(key).decode()


def content(**changes: Any) -> dict[str, Any]:
    """A right key file's content but for `changes`."""
    return {"current": "k1", "keys": {"k1": b64(K1)}, "index_key": b64(INDEX)} | changes


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_encrypted_is_decrypted(plaintext: bytes, context: str) -> None:
    """Any bytes come back, under any context."""
    assert RING.decrypt(RING.encrypt(plaintext, context), context) == plaintext


def test_a_blob_hides_its_plaintext_and_differs_each_time() -> None:
    """The plaintext is not in the blob, and equal values have different blobs."""
    blobs = [RING.encrypt(NUMBER.encode(), CONTEXT) for _ in range(100)]
    assert len(set(blobs)) == 100
    assert not any(NUMBER.encode() in blob for blob in blobs)
    assert {len(blob) for blob in blobs} == {2 + 2 + NONCE_BYTES + len(NUMBER) + TAG_BYTES}


def test_a_blob_moved_to_another_row_does_not_decrypt() -> None:
    """The context is part of the blob: in another row or column it is refused."""
    blob = RING.encrypt(NUMBER.encode(), CONTEXT)
    for other in ("registration.candidate.personal:2", "registration.candidate.phone:1", ""):
        with pytest.raises(DecryptionFailed, match="another context"):
            RING.decrypt(blob, other)


def test_every_changed_or_missing_byte_is_noticed() -> None:
    """Flip any bit, cut anywhere, or append: nothing decrypts to something else."""
    blob = RING.encrypt(NUMBER.encode(), CONTEXT)
    flipped = [
        blob[:at] + bytes([blob[at] ^ 1 << bit]) + blob[at + 1 :]
        for at in range(len(blob))
        for bit in range(8)
    ]
    for wrong in [*flipped, *(blob[:end] for end in range(len(blob))), blob + b"\0"]:
        with pytest.raises(DecryptionFailed):
            RING.decrypt(wrong, CONTEXT)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\x01\x02k1" + tail))
def test_any_bytes_are_refused_with_one_error(blob: bytes) -> None:
    """Whatever stands where a blob should is DecryptionFailed, never another exception."""
    with pytest.raises(DecryptionFailed):
        RING.decrypt(blob, CONTEXT)


def test_old_values_stay_readable_after_a_rotation() -> None:
    """With a new current key old blobs decrypt, new ones need the new; without the old, not."""
    old_blob = RING.encrypt(b"x", CONTEXT)
    rotated = KeyRing("k2", {"k1": K1, "k2": K2}, INDEX)
    new_blob = rotated.encrypt(b"x", CONTEXT)
    assert rotated.decrypt(old_blob, CONTEXT) == rotated.decrypt(new_blob, CONTEXT) == b"x"
    assert rotated.blind_index(NUMBER, "document") == RING.blind_index(NUMBER, "document")
    with pytest.raises(DecryptionFailed, match="no key 'k1'"):
        KeyRing("k2", {"k2": K2}, INDEX).decrypt(old_blob, CONTEXT)
    with pytest.raises(DecryptionFailed, match="no key 'k2'"):
        RING.decrypt(new_blob, CONTEXT)


def test_a_key_id_cannot_be_exchanged() -> None:
    """The header is authenticated: the same key under another id does not decrypt."""
    blob = RING.encrypt(b"x", CONTEXT)
    renamed = KeyRing("k9", {"k9": K1}, INDEX)
    with pytest.raises(DecryptionFailed):
        renamed.decrypt(blob.replace(b"k1", b"k9", 1), CONTEXT)


def test_blind_indexes_find_equal_values_only() -> None:
    """Equal values have equal indexes; another value, purpose or ring has another."""
    index = RING.blind_index(NUMBER, "document")
    assert index == KeyRing("k2", {"k2": K2}, INDEX).blind_index(NUMBER, "document")
    assert len(index) == 32
    others = {
        RING.blind_index(NUMBER.lower(), "document"),
        RING.blind_index(NUMBER, "mobile"),
        KeyRing.generate().blind_index(NUMBER, "document"),
    }
    assert len(others | {index}) == 4


@given(st.text(min_size=1, max_size=20), st.integers(1, 20))
def test_purposes_do_not_run_into_values(text: str, cut: int) -> None:
    """Characters moved from the purpose to the value give another index."""
    cut = min(cut, len(text))
    assert RING.blind_index(text, "") != RING.blind_index(text[cut:], text[:cut])


def test_a_generated_ring_survives_its_file(tmp_path: Path) -> None:
    """A written ring reads what the first one wrote, and its file is its owner's only."""
    path = tmp_path / "keys.yaml"
    ring = KeyRing.generate()
    ring.write(path)
    read = KeyRing.from_file(path)
    assert read.decrypt(ring.encrypt(b"x", CONTEXT), CONTEXT) == b"x"
    assert read.blind_index(NUMBER, "document") == ring.blind_index(NUMBER, "document")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Writing over a ring would lose every value it encrypted: it is refused."""
    path = tmp_path / "keys.yaml"
    KeyRing.generate().write(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        KeyRing.generate().write(path)
    assert path.read_bytes() == before


def test_json_is_a_key_file_too(tmp_path: Path) -> None:
    """A key file may be JSON, as secret stores write it."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(content()))
    assert KeyRing.from_file(path).decrypt(RING.encrypt(b"x", CONTEXT), CONTEXT) == b"x"


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ([], "exactly the fields current, index_key, keys"),
        (content(extra=1), "exactly the fields"),
        ({"current": "k1", "keys": {"k1": b64(K1)}}, "exactly the fields"),
        (content(keys=[b64(K1)]), "keys: expected a mapping"),
        (content(keys={}), "current: no key 'k1'"),
        (content(current="k2"), "current: no key 'k2'"),
        (content(keys={"k1": b64(K1[:16])}), "keys.k1: 16 bytes, expected 32"),
        (content(keys={"k1": "not base64!"}), "keys.k1: not base64"),
        (content(keys={"k1": None}), r"keys.k1: (not base64|3 bytes)"),
        (content(keys={"": b64(K1)}), "key id ''"),
        (content(keys={"k" * 33: b64(K1)}), "key id 'k"),
        (content(index_key=b64(INDEX + b"x")), "index_key: 33 bytes, expected 32"),
        (content(index_key=b64(K1)), "the same key appears twice"),
        (content(keys={"k1": b64(K1), "k2": b64(K1)}), "the same key appears twice"),
    ],
    ids=range(14),
)
def test_a_wrong_key_file_is_refused(tmp_path: Path, wrong: Any, problem: str) -> None:
    """The error names the file and what is wrong with it, and shows no key."""
    path = tmp_path / "keys.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(KeyFileInvalid, match=problem) as caught:
        KeyRing.from_file(path)
    assert str(path) in str(caught.value)
    assert not any(b64(key)[:8] in str(caught.value) for key in (K1, INDEX))


def test_an_unreadable_key_file_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is not YAML, are told apart; the latter is not quoted."""
    path = tmp_path / "keys.yaml"
    with pytest.raises(KeyFileInvalid, match="No such file"):
        KeyRing.from_file(path)
    path.write_text("keys: [secret-part")
    with pytest.raises(KeyFileInvalid, match="neither YAML nor JSON") as caught:
        KeyRing.from_file(path)
    assert "secret-part" not in str(caught.value)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(KeyFileInvalid):
        KeyRing.from_file(path)
