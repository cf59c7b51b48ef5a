"""What a password may be (DOMAIN section 3): long enough, not common, not the document number.

No composition rules: they make people choose worse ones.
"""

from __future__ import annotations

import re

from zikao_kit.errors import DomainError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

PASSWORD_MIN_CHARACTERS = 8
PASSWORD_MAX_CHARACTERS = 128
STAFF_PASSWORD_MIN_CHARACTERS = 12

# Those that people here choose, in lower case; digits in a row and repetitions are
# recognised by rule.
_COMMON_TEXT = """
1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc 5201314520 5201314a 52013145201314 a1234567 a12345678
a123456789 aa123456 aa12345678 abc12345 abc123456 abcd1234 abcdefgh abcdefg1 admin123 admin1234
administrator asd123456 asdf1234 asdfasdf asdfghjk asdfghjkl baseball charlie1 chinazikao
computer football iloveyou iloveyou1 letmein1 liverpool michelle p@ssw0rd p@ssword passw0rd
password password1 password12 password123 princess q1w2e3r4 q1w2e3r4t5 qazwsxedc qq123456
qq123456789 qwe123456 qwer1234 qwerasdf qwertyui qwertyuiop qwerty123 starwars sunshine superman
trustno1 w123456789 wang1234 welcome1 whatever woaini123 woaini1314 woaini520 woaini5201314
woaiwojia xiaoming zhang123 zikao123 zikao2022 zxcvbnm1 zxcvbnm123 zz123456 13145201314
147258369 159357456 789456123 741852963 963852741 110110110
"""
# And the most frequent of those that have leaked elsewhere: 11,600 of zxcvbn's are long enough.
COMMON_PASSWORDS = frozenset(_COMMON_TEXT.split()) | {
    each for each in FREQUENCY_LISTS["passwords"] if len(each) >= PASSWORD_MIN_CHARACTERS
}
# Names of the system, of its offices and of what it is about: docs/security.md lists them.
CONTEXT_WORDS = (
    "zikao", "kaosheng", "kaoshi", "kaoshiyuan", "zhaokao", "zhaoban", "zhunkaozheng", "baoming",
    "jiaoyu", "registration", "enrollment", "tickets", "operator", "officer", "auditor",
    "candidate", "password", "mima", "自考", "自学考试", "考生", "考试", "考试院", "招考", "招办",
    "准考证", "报名", "教育", "密码",
)  # fmt: skip
_OF_CONTEXT = re.compile(f"(?:{'|'.join(sorted(CONTEXT_WORDS, key=len, reverse=True))})+")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_DIGIT_ROWS = "01234567890123456789", "98765432109876543210"


def check_password(
    password: str, *, document_number: str = "", min_characters: int = PASSWORD_MIN_CHARACTERS
) -> None:
    """Raise PASSWORD_REFUSED, with a Chinese `detail`, unless the password may be used."""
    detail = _problem(password, document_number, min_characters)
    if detail:
        raise DomainError("PASSWORD_REFUSED", detail=detail)


def _problem(password: str, document_number: str, min_characters: int) -> str | None:
    lowered = password.lower()
    if len(password) < min_characters:
        return f"至少{min_characters}个字符"
    if len(password) > PASSWORD_MAX_CHARACTERS:
        return f"最多{PASSWORD_MAX_CHARACTERS}个字符"
    if document_number and _shares(lowered, document_number.lower()):
        return "不能使用证件号码或其中一段"
    if lowered in COMMON_PASSWORDS or _is_trivial(lowered):
        return "过于常见，容易被猜到"
    if _OF_CONTEXT.fullmatch(_NO_LETTERS.sub("", lowered)):
        return "不能只由系统或机构名称加数字、符号组成"
    return None


def _shares(password: str, document_number: str) -> bool:
    """A part of the number, the whole with something around it, or its old 15-digit form."""
    old_form = document_number[:6] + document_number[8:17] if len(document_number) == 18 else ""
    return (
        password in document_number
        or document_number in password
        or (bool(old_form) and (password in old_form or old_form in password))
    )


def _is_trivial(password: str) -> bool:
    """Few different characters, or digits in a row such as 12345678."""
    return len(set(password)) <= 2 or any(password in row for row in _DIGIT_ROWS)
