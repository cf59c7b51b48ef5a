"""A scanned ticket at the door (DOMAIN section 5)."""

from zikao_kit.errors import DomainError

from zikao_tickets.domain.person import Bearer
from zikao_tickets.proof import ProofRejected, RejectReason, TicketProof, name_hash, verify
from zikao_tickets.signing import ProofSigner
from zikao_tickets.ticket_store import TicketStore


async def verify_ticket(
    store: TicketStore, signer: ProofSigner, text: str
) -> tuple[TicketProof, Bearer]:
    """What the proof says, and who should be standing there.

    Raises DomainError PROOF_REJECTED with `detail` MALFORMED, UNKNOWN_KEY, BAD_SIGNATURE,
    REVOKED (any version but the one in force), or NAME_CHANGED.
    """
    try:
        proof = verify(text, signer.public_keys)
    except ProofRejected as error:
        raise _rejected(error.reason) from error
    in_force = await store.is_in_force(proof.session_code, proof.ticket_number, proof.version)
    bearer = await store.bearer(proof.ticket_number)
    if not in_force or bearer is None:
        raise _rejected(RejectReason.REVOKED)
    if name_hash(bearer.person.name) != proof.name_hash:
        raise _rejected("NAME_CHANGED")
    return proof, bearer


def _rejected(detail: str) -> DomainError:
    return DomainError("PROOF_REJECTED", detail=detail)
