"""The keys of the ticket proof: one signs, all that are not retired verify."""

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from zikao_kit.clock import Clock

from zikao_tickets.domain.proof_key import ProofKey, key_epoch, signing_key
from zikao_tickets.domain.ticket import Ticket
from zikao_tickets.proof import ProofSitting, TicketProof, name_hash, photo_hash, sign


class ProofSigner:
    """Signs with the youngest key whose time has come; keys change while processes run."""

    def __init__(self, keys: Sequence[ProofKey], clock: Clock) -> None:
        self._clock = clock
        self.renew(keys)

    def renew(self, keys: Sequence[ProofKey]) -> None:
        """Take over all keys there have been, in their order; one is not retired."""
        self.key_epoch = key_epoch(keys)
        self._keys = [key for key in keys if not key.retired]
        self.public_keys: Mapping[str, Ed25519PublicKey] = {
            key.key_id: key.private_key.public_key() for key in self._keys
        }

    @property
    def key(self) -> ProofKey:
        """The key that signs now."""
        return signing_key(self._keys, self._clock.now())

    def sign(self, ticket: Ticket, session_code: str, jpeg: bytes) -> str:
        """The text of the QR code: the one of the first print, or a new one."""
        if ticket.proof is not None:
            return ticket.proof
        key = self.key
        return sign(_proof_of(ticket, session_code, jpeg), key.key_id, key.private_key)


def _proof_of(ticket: Ticket, session_code: str, jpeg: bytes) -> TicketProof:
    """What the QR code of the ticket vouches for."""
    return TicketProof(
        session_code=session_code,
        ticket_number=ticket.ticket_number,
        version=ticket.version,
        name_hash=name_hash(ticket.person.name),
        photo_hash=photo_hash(jpeg),
        sittings=tuple(
            ProofSitting(seat.slot, seat.site_code, seat.room_code, seat.label)
            for seat in ticket.seats
        ),
        kind=ticket.kind,
    )
