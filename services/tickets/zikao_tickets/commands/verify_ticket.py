"""A scanned ticket at the door (DOMAIN section 5)."""

from zikao_kit.errors import DomainError

from zikao_tickets.domain.person import Bearer
from zikao_tickets.proof import ProofRejected, RejectReason, TicketProof, verify
from zikao_tickets.signing import ProofSigner
from zikao_tickets.ticket_store import TicketStore


async def verify_ticket(
    store: TicketStore, signer: ProofSigner, text: str
) -> tuple[TicketProof, Bearer]:
    """What the proof says, and who should be standing there.

    Raises DomainError PROOF_REJECTED with `proof_reason` MALFORMED, UNKNOWN_KEY,
    BAD_SIGNATURE or REVOKED (any version but the one in force).
    """
    try:
        proof = verify(text, signer.public_keys)
    except ProofRejected as error:
        raise _rejected(error.reason) from error
    bearer = await store.bearer(proof.session_code, proof.ticket_number, proof.version)
    if bearer is None:
        raise _rejected(RejectReason.REVOKED)
    return proof, bearer


def _rejected(reason: RejectReason) -> DomainError:
    return DomainError("PROOF_REJECTED", detail=reason.sentence, proof_reason=reason.value)
