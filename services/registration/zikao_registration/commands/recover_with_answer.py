"""The security question, and whose answer is right (DOMAIN section 3, Recovery)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_registration.commands.find_claimed import find_claimed
from zikao_registration.commands.notify_candidate import notify_of_own
from zikao_registration.domain.messages import Notice
from zikao_registration.domain.recovery import (
    Claim,
    SecurityQuestion,
    plain_answer,
    plausible_question,
)
from zikao_registration.password_hashing import Place
from zikao_registration.stores.recoveries import RecoveryStore, StoredAnswer
from zikao_registration.stores.recovery_desk import RecoveryDesk

ANSWER_MIN_CHARACTERS = 2


@dataclass(frozen=True)
class ClaimedAnswer:
    """Whose answer is asked for, and what is stored of it."""

    candidate_id: UUID
    stored: StoredAnswer


async def find_claimed_answer(stores: RecoveryDesk, claim: Claim) -> ClaimedAnswer | None:
    """What the claimed person has set; None for nobody, and for who has set nothing."""
    claimed = await find_claimed(stores, claim)
    stored = await stores.recoveries.find_answer(claimed.candidate_id) if claimed else None
    return ClaimedAnswer(claimed.candidate_id, stored) if claimed and stored else None


def question_of(
    recoveries: RecoveryStore, claim: Claim, found: ClaimedAnswer | None
) -> SecurityQuestion:
    """The question that was set, or one that might have been."""
    plausible = plausible_question(recoveries.claim_digest(claim))
    return found.stored.question if found else plausible


async def find_answerer(place: Place, found: ClaimedAnswer | None, answer: str) -> UUID | None:
    """The candidate whose answer it is; takes the same time without one."""
    answer_hash = found.stored.answer_hash if found else None
    is_right = await place.verify(answer_hash, plain_answer(answer))
    return found.candidate_id if found and is_right else None


def require_some_answer(answer: str) -> str:
    """The answer in its plain form; raises INVALID_REQUEST when little is left of it."""
    plain = plain_answer(answer)
    if len(plain) < ANSWER_MIN_CHARACTERS:
        problem = FieldProblem("answer", f"答案至少包含{ANSWER_MIN_CHARACTERS}个文字或数字")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return plain


async def set_security_question(
    stores: RecoveryDesk,
    question: SecurityQuestion,
    answer_hash: str,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Keep the actor's question, in place of the last, and tell the candidate; raises NOT_FOUND."""
    candidate_id = UUID(actor.subject)
    await stores.candidates.get_registration(candidate_id, for_update=True)
    await stores.recoveries.save_answer(candidate_id, StoredAnswer(question, answer_hash), now)
    await stores.candidates.audit(actor, "set_security_question", now, candidate_id)
    await notify_of_own(stores, candidate_id, Notice.QUESTION_SET, now)
