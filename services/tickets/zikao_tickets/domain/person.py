"""Who a ticket is for: personal data, encrypted wherever it is kept (DOMAIN section 7)."""

import json
from dataclasses import asdict, dataclass
from uuid import UUID


@dataclass(frozen=True)
class Person:
    """What a ticket says of its bearer; `sex` is '男' or '女'."""

    name: str
    sex: str
    document_number: str

    def to_bytes(self) -> bytes:
        """The plaintext that is encrypted."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Person":
        """The inverse of `to_bytes`."""
        return cls(**json.loads(data))


@dataclass(frozen=True)
class Bearer:
    """Who a ticket belongs to and where it was issued; no `jpeg` until the photo has come."""

    person: Person
    jpeg: bytes | None
    county_code: str
    is_revoked: bool = False


def personal_context(candidate_id: UUID) -> str:
    """What binds encrypted personal data to its row."""
    return f"tickets.candidate.personal:{candidate_id}"


def photo_context(candidate_id: UUID) -> str:
    """What binds an encrypted photo to its row."""
    return f"tickets.photo:{candidate_id}"


def growth_context(document_id: UUID, part: int) -> str:
    """What binds what a part of a document has added to its row."""
    return f"tickets.document_part.growth:{document_id}:{part}"


def seed_context(arrangement_id: UUID) -> str:
    """What binds an encrypted seed to its arrangement."""
    return f"tickets.arrangement.seed:{arrangement_id}"


def proof_key_context(key_id: str) -> str:
    """What binds an encrypted proof key to its id."""
    return f"tickets.proof_key:{key_id}"
