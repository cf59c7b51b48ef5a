"""A scanned ticket at the door (DOMAIN section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from zikao_kit.errors import OUT_OF_SCOPE, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.domain.person import Bearer
from zikao_tickets.domain.scans import Door, KnownScan, Scan
from zikao_tickets.proof import ProofRejected, RejectReason, TicketProof, verify
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.scans import ScanStore
from zikao_tickets.stores.tickets import TicketStore

ACCEPTED = "ACCEPTED"


@dataclass(frozen=True)
class Verification:
    """One scan: what the proof says and who should be standing there, or the refusal.

    There is no proof where the text carries none with our signature.
    """

    proof: TicketProof | None
    bearer: Bearer | None = None
    refusal: DomainError | None = None
    other_scans: Sequence[KnownScan] = ()

    @property
    def verdict(self) -> str:
        """ACCEPTED, why the proof is none, or the reason of another refusal: it is on record."""
        if self.refusal is None:
            return ACCEPTED
        return self.refusal.metadata.get("proof_reason", self.refusal.reason)

    def require_accepted(self) -> tuple[TicketProof, Bearer]:
        """The proof and its bearer; raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        assert self.proof is not None, "accepted"
        assert self.bearer is not None, "accepted"
        return self.proof, self.bearer


async def verify_ticket(
    store: TicketStore,
    scans: ScanStore,
    signer: ProofSigner,
    text: str,
    door: Door | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> Verification:
    """Judge a scanned text, and keep who asked and what was said: every look is audited.

    Nothing is raised, so that the transaction of a refusal is committed too. Refusals are
    OUT_OF_SCOPE for an officer of elsewhere, and PROOF_REJECTED with `proof_reason` MALFORMED,
    UNKNOWN_KEY, BAD_SIGNATURE or REVOKED (any version but the one in force). At a `door` the scan
    of every ticket of ours is kept, and one whose id another scan has is refused: SCAN_ID_REUSED.
    """
    verification = await _judged(store, signer, text, actor)
    if door is not None:
        verification = await _at_door(scans, verification, door, now)
    ticket = verification.proof.revocation_key if verification.proof else None
    await store.log_verification(ticket, verification.verdict, actor.subject, now)
    return verification


async def _at_door(
    scans: ScanStore, verification: Verification, door: Door, now: datetime
) -> Verification:
    """The same with the other scans of the ticket, and this one kept."""
    if verification.proof is None:
        return verification
    scan = Scan.of(verification.proof, door)
    await scans.lock_ticket(scan)
    await scans.insert([scan], now, uploaded=False)
    kept = await scans.by_id([scan.scan_id])
    if kept.get(scan.scan_id, scan) != scan:
        reused = DomainError("SCAN_ID_REUSED")
        return replace(verification, refusal=verification.refusal or reused)
    return replace(verification, other_scans=await scans.others(scan))


async def _judged(store: TicketStore, signer: ProofSigner, text: str, actor: Actor) -> Verification:
    try:
        proof = verify(text, signer.public_keys)
    except ProofRejected as error:
        return Verification(None, refusal=_rejected(error.reason))
    bearer = await store.bearer(*proof.revocation_key)
    if bearer is None:
        return Verification(proof, refusal=_rejected(RejectReason.REVOKED))
    if not actor.covers(bearer.county_code):
        refusal = DomainError(OUT_OF_SCOPE, county_code=bearer.county_code)
        return Verification(proof, refusal=refusal)
    return Verification(proof, bearer)


def _rejected(reason: RejectReason) -> DomainError:
    return DomainError("PROOF_REJECTED", detail=reason.sentence, proof_reason=reason.value)
