"""What offices did, and what waits for a second officer, in this service's tables."""

from collections.abc import Mapping
from datetime import datetime

from zikao_kit.db import Transaction
from zikao_kit.office_actions import OfficeActionStore
from zikao_kit.office_acts import Act
from zikao_kit.office_audit import OfficeAuditStore, note_cut

from zikao_tickets.converts.offices import act_from_json, act_to_json
from zikao_tickets.names import SCHEMA


def office_actions(tx: Transaction) -> OfficeActionStore[Act]:
    """Acts of offices, within a transaction."""
    return OfficeActionStore(tx, SCHEMA, act_to_json, act_from_json)


def office_audit(tx: Transaction) -> OfficeAuditStore:
    """The audit of what offices do, within a transaction."""
    return OfficeAuditStore(tx, SCHEMA)


async def note_audit_cut(tx: Transaction, what: Mapping[str, object], now: datetime) -> None:
    """Enter in the audit that old entries of it were removed."""
    await note_cut(office_audit(tx), what, now)
