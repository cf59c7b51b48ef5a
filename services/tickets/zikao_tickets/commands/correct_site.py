"""An office puts right what tickets say of a site (DOMAIN section 5)."""

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.domain.site_correction import CorrectSite, SiteTexts
from zikao_tickets.domain.versions import Issue, TicketReason
from zikao_tickets.stores.sites import SiteStore
from zikao_tickets.stores.versions import VersionStore

CORRECTED = Issue(TicketReason.SITE_CORRECTED, kind=None, without_photo=None)


async def correct_site(sites: SiteStore, versions: VersionStore, order: Order) -> Effect:
    """Call a site of the proposal's county otherwise; every ticket that shows it is issued anew.

    Seats stay as they are. One officer is enough while no ticket in force shows the site. Raises
    DomainError NOT_FOUND.
    """
    session_code, county_code, act = order.proposal
    assert isinstance(act, CorrectSite)
    before = await sites.lock_site(session_code, county_code, act.site_code)
    if before is None:
        raise DomainError(NOT_FOUND)
    changes = before != act.texts
    shown = await versions.of_site(session_code, county_code, act.site_code) if changes else []
    if changes and not order.dry_run:
        await sites.correct(session_code, act.site_code, act.texts)
        await versions.issue_next(session_code, shown, CORRECTED, issued_by="", now=order.now)
    return Effect(
        before=_told(act, before),
        after={**_told(act, act.texts), "reason": act.reason, "tickets": len(shown)},
        needs_second=bool(shown),
    )


def _told(act: CorrectSite, texts: SiteTexts) -> dict[str, str]:
    return {"site": act.site_code, **texts._asdict()}
