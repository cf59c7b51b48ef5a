"""The candidate's photo (DOMAIN section 3, Application)."""

import hashlib
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.photos import check_photo
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import Action, State, next_state
from zikao_registration.photo_encoding import encode_photo
from zikao_registration.stores.registrations import Store


def clean_photo(original: bytes) -> bytes:
    """The photo as it is stored; raises DomainError PHOTO_REFUSED. Takes a core for a while."""
    photo = encode_photo(original)
    check_photo(photo.facts)
    return photo.jpeg


async def require_photo_open(store: Store, actor: Actor, now: datetime) -> None:
    """Refuse a photo before it is decoded; raises what `upload_photo` would raise now."""
    registration = await store.get_registration(UUID(actor.subject))
    await _state_after(store, registration, now)


async def upload_photo(store: Store, jpeg: bytes, *, actor: Actor, now: datetime) -> bytes:
    """Store a cleaned photo in place of the last; return its SHA-256.

    Raises DomainError NOT_FOUND, STATE_NOT_ALLOWED, REGISTRATION_CLOSED, CORRECTION_CLOSED.
    """
    before = await store.get_registration(UUID(actor.subject), for_update=True)
    state = await _state_after(store, before, now)
    sha256 = hashlib.sha256(jpeg).digest()
    await store.save_photo(before.candidate_id, sha256, jpeg, now)
    await store.update_registration(
        replace(before, state=state, photo_sha256=sha256, updated_at=now)
    )
    await store.audit(
        actor,
        "upload_photo",
        now,
        before.candidate_id,
        before={"photo_sha256": before.photo_sha256.hex()},
        after={"photo_sha256": sha256.hex()},
    )
    return sha256


async def _state_after(store: Store, before: Registration, now: datetime) -> State:
    state = next_state(before.state, Action.EDIT)
    session = await store.sessions.load(before.session_code)
    session.require_editing_open(before.state, now)
    return state
