"""Tell who verifies access tokens which logins have ended before them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from zikao_kit.revoked_logins import RevokedPage

from zikao_registration.domain.open_logins import LoginRules
from zikao_registration.domain.revocations import RevocationCursor
from zikao_registration.stores.logins import LoginStore, Revoked

REVOKED_AT_ONCE = 5000


async def list_revoked_logins(
    logins: LoginStore, rules: LoginRules, cursor_text: str, now: datetime
) -> RevokedPage:
    """A page of what was revoked after a cursor and may still have tokens.

    Raises DomainError INVALID_REQUEST for a cursor that is none.
    """
    cursor, snapshot = RevocationCursor.parse(cursor_text), await logins.current_snapshot()
    if cursor.is_ahead_of(snapshot):
        cursor = RevocationCursor()
    if not cursor.showing:
        cursor = replace(cursor, showing=snapshot)
    found = await logins.list_revoked(cursor, now - rules.longest_token, REVOKED_AT_ONCE)
    more = len(found) == REVOKED_AT_ONCE
    after = cursor.after(found[-1].xid, found[-1].login_id) if more else cursor.done()
    return RevokedPage(_ends(found, rules), str(after), more)


def _ends(found: list[Revoked], rules: LoginRules) -> Mapping[str, datetime]:
    """When the last token of each has ended, by login id."""
    return {
        str(each.login_id): min(each.expires_at, each.revoked_at + rules.longest_token)
        for each in found
    }
