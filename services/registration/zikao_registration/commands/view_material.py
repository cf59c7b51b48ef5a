"""What an officer looks at before deciding: an audited full view (DOMAIN section 7)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.stores.registrations import Store


@dataclass(frozen=True)
class ReviewMaterial:
    """Both JPEGs, empty when there is none, and the material's file name."""

    photo: bytes
    material: bytes
    file_name: str


async def view_material(
    store: Store, candidate_id: UUID, *, actor: Actor, now: datetime
) -> ReviewMaterial:
    """The pictures of a registration the officer holds.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, LEASE_LOST.
    """
    registration = await store.get_registration(candidate_id)
    actor.require_scope(registration.personal.county_code)
    registration.require_lease(UUID(actor.subject), now)
    photos = await store.get_photos([candidate_id])
    material = await store.get_material(candidate_id)
    await store.audit(actor, "view_material", now, candidate_id)
    name = registration.material_file_name if material else ""
    return ReviewMaterial(photos.get(candidate_id, b""), material, name)
