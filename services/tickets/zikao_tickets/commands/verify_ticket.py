"""A scanned ticket at the door (DOMAIN section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from zikao_kit.errors import INVALID_REQUEST, OUT_OF_SCOPE, DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_tickets.domain.person import Bearer
from zikao_tickets.domain.scans import Door, KnownScan, Scan, ScanProblem, scan_problem
from zikao_tickets.proof import ProofRejected, RejectReason, TicketProof, verify
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.scans import ScanStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.tickets import TicketStore

ACCEPTED = "ACCEPTED"
# Whoever has a photo of a ticket could plant scans of it otherwise, and hide the true ones.
_KEPT = (ACCEPTED, RejectReason.REVOKED)
_REFUSED_SCANS = {
    ScanProblem.UNKNOWN_SLOT: FieldProblem("scan.slot", "本次考试没有这一场"),
    ScanProblem.WRONG_TIME: FieldProblem("scan.scanned_at", "须为该场考试当天、不晚于现在的时间"),
}


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

    def refused(self, refusal: DomainError) -> "Verification":
        """The same, refused also for its scan: a ticket that is none comes first."""
        return replace(self, refusal=self.refusal or refusal)

    def require_accepted(self) -> tuple[TicketProof, Bearer]:
        """The proof and its bearer; raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        assert self.proof is not None, "accepted"
        assert self.bearer is not None, "accepted"
        return self.proof, self.bearer


async def verify_ticket(
    store: TicketStore,
    sessions: SessionStore,
    scans: ScanStore,
    signer: ProofSigner,
    text: str,
    *,
    door: Door | None = None,
    actor: Actor,
    now: datetime,
) -> Verification:
    """Judge a scanned text, and keep who asked and what was said: every look is audited.

    Nothing is raised, so that the transaction of a refusal is committed too. Refusals are
    OUT_OF_SCOPE for an officer of elsewhere, and PROOF_REJECTED with `proof_reason` MALFORMED,
    UNKNOWN_KEY, BAD_SIGNATURE or REVOKED (any version but the one in force). At a `door` the scan
    of a ticket that is accepted or revoked is kept, unless it is refused itself: INVALID_REQUEST of
    a slot or time that cannot be, SCAN_ID_REUSED.
    """
    verification = await _judged(store, signer, text, actor)
    if door is not None and verification.proof and verification.verdict in _KEPT:
        scan = Scan.of(verification.proof, door)
        session = await sessions.load(scan.session_code)
        if problem := scan_problem(scan, session, now):
            refusal = DomainError(INVALID_REQUEST, fields=[_REFUSED_SCANS[problem]])
            verification = verification.refused(refusal)
        else:
            verification = await _kept(scans, verification, scan, now)
    ticket = verification.proof.revocation_key if verification.proof else None
    await store.log_verification(ticket, verification.verdict, actor.subject, now)
    return verification


async def _kept(
    scans: ScanStore, verification: Verification, scan: Scan, now: datetime
) -> Verification:
    """The same with the other scans of the ticket, and this one kept."""
    await scans.lock_ticket(scan)
    await scans.insert([scan], now, uploaded=False)
    kept = await scans.by_id([scan.scan_id])
    if kept.get(scan.scan_id, scan) != scan:
        return verification.refused(DomainError("SCAN_ID_REUSED"))
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
    if bearer.is_revoked:
        return Verification(proof, refusal=_rejected(RejectReason.REVOKED))
    return Verification(proof, bearer)


def _rejected(reason: RejectReason) -> DomainError:
    return DomainError("PROOF_REJECTED", detail=reason.sentence, proof_reason=reason.value)
