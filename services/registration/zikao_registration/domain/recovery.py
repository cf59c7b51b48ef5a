"""How often one may try to recover, and what counts as right (DOMAIN section 3, Recovery)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import Document
from zikao_registration.domain.messages import Channel
from zikao_registration.domain.personal import PersonalData

CODE_DIGITS = 6
CODE_MINUTES = 10
CODE_TRIES = 5
# Who chooses a login name finds some taken.
TAKEN_NAMES = 2
# Nobody reads after a week that something has changed.
NOTICE_LIFETIME = timedelta(days=3)
# What may be somebody else's phone is not to ring all day.
CONTACT_CHANGES_A_DAY = 3
NOTICES_A_DAY = 3
DAY = timedelta(days=1)

# Ways of typing the dot in names such as 阿依古丽·买买提, after NFKC.
_DOTS = str.maketrans(dict.fromkeys("•‧∙⋅・･ᐧ․.", "·"))


class Purpose(StrEnum):
    """What is tried: each is counted for itself."""

    TICKET_NUMBER = "ticket_number"
    SEND_CODE = "send_code"
    USE_CODE = "use_code"
    QUESTION = "question"
    ANSWER = "answer"
    ACTIVATION = "activation"
    PROVIDER_LOGIN = "provider_login"
    CONTACT_CHANGE = "contact_change"
    NOTICE = "notice"
    ACCOUNT = "account"


class SecurityQuestion(StrEnum):
    """The standard questions, as the contract's enum names them."""

    PRIMARY_SCHOOL_TEACHER = "primary_school_teacher"
    MOTHERS_BIRTHPLACE = "mothers_birthplace"
    CHILDHOOD_FRIEND = "childhood_friend"
    FIRST_EMPLOYER = "first_employer"
    FAVOURITE_BOOK = "favourite_book"
    CHILDHOOD_STREET = "childhood_street"


@dataclass(frozen=True)
class Claim:
    """Somebody says to be this person."""

    document: Document
    ticket_number: str


@dataclass(frozen=True)
class RecoveryLimit:
    """How many attempts are taken of one document until the first of them lapses.

    All are counted, right and wrong, of people who exist and who do not: what is refused
    depends on nothing that the caller may not know. A ticket number that is to be activated has
    a limit of its own, so large that a stranger who knows nothing but the number does not
    easily keep its owner out.
    """

    attempts: int
    attempts_per_ticket_number: int
    window: timedelta

    def lapsed_at(self, now: datetime) -> datetime:
        """A first attempt at or before this time counts no more."""
        return now - self.window

    def require_document(self, attempts: int, first_at: datetime, now: datetime) -> None:
        """Raise RECOVERY_LOCKED, saying when to come again, beyond a document's attempts."""
        self._require(attempts <= self.attempts, first_at, now)

    def require_account(self, attempts: int, first_at: datetime, now: datetime) -> None:
        """Raise RECOVERY_LOCKED beyond the accounts that are asked for of a document."""
        self._require(attempts <= self.attempts + TAKEN_NAMES, first_at, now)

    def require_ticket_number(self, attempts: int, first_at: datetime, now: datetime) -> None:
        """Raise RECOVERY_LOCKED beyond a ticket number's attempts."""
        self._require(attempts <= self.attempts_per_ticket_number, first_at, now)

    def _require(self, allowed: bool, first_at: datetime, now: datetime) -> None:
        if not allowed:
            raise DomainError("RECOVERY_LOCKED", retry_after=first_at + self.window - now)


def is_same_name(one: str, other: str) -> bool:
    """Compare names but for their width, blanks and the way the dot was typed."""
    return _plain_name(one) == _plain_name(other)


def plain_answer(answer: str) -> str:
    """What counts of an answer: letters, digits and characters, in one width and case."""
    taken_apart = unicodedata.normalize("NFKD", answer)
    counting = (each for each in taken_apart if unicodedata.category(each)[0] in "LMN")
    return unicodedata.normalize("NFKD", "".join(counting).casefold())


def plausible_question(digest: bytes) -> SecurityQuestion:
    """The question of somebody who has set none: `digest` is a keyed hash of the claim."""
    questions = list(SecurityQuestion)
    return questions[int.from_bytes(digest[:8]) % len(questions)]


def contact(personal: PersonalData, channel: Channel) -> str:
    """Where the candidate is reached; empty when nowhere."""
    return personal.email if channel is Channel.EMAIL else personal.mobile


def _plain_name(name: str) -> str:
    normal = unicodedata.normalize("NFKC", name)
    return "".join(normal.translate(_DOTS).split())
