"""Requests in whose content the rules of their contract found nothing before.

A rush asks for the same few things; what differs is the request id. To look at a request anew costs
more than to answer most of them. Judged each time is what may hold anything personal, which is not
to stay in memory, and what holds times, whose rules depend on the hour.
"""

from __future__ import annotations

import re

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor

from zikao_kit.message_values import may_be_sensitive, may_hold_times

# About 300 bytes each. More are no rush.
CONTENTS_KEPT = 5_000
MAX_CONTENT_BYTES = 200
# The field `request_id`, number 1, as all write it who write fields in order: tag, length, UUID.
_ID = re.compile(rb"\x0a\x24[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ID_BYTES = 2 + 36
_ID_RULES = validate_pb2.FieldRules(string=validate_pb2.StringRules(uuid=True))


class ValidContents:
    """Those of one method.

    Two requests with one content are alike but for their ids, which are good both: rules see
    either the id alone or what lies beside it, and where the content brings another id, that counts
    in both.
    """

    def __init__(self, request: Descriptor) -> None:
        self._has_id = _has_plain_id(request)
        self._keeps = not (may_hold_times(request) or may_be_sensitive(request))
        self._known: set[bytes] = set()

    def __contains__(self, raw: bytes) -> bool:
        """Whether a request, as it came, has a good content that is known, and a good id."""
        return self._content_of(raw) in self._known

    def add(self, raw: bytes) -> None:
        """The rules have found nothing in this request."""
        content = self._content_of(raw)
        if content is not None:
            if len(self._known) >= CONTENTS_KEPT:
                self._known.clear()
            self._known.add(content)

    def _content_of(self, raw: bytes) -> bytes | None:
        """All but its id; None for what is not kept."""
        if not self._keeps or len(raw) > MAX_CONTENT_BYTES:
            return None
        if not self._has_id:
            return raw
        return raw[_ID_BYTES:] if _ID.match(raw) else None


def _has_plain_id(request: Descriptor) -> bool:
    """Whether field 1 is a UUID, of which no rule asks more, nor any of several fields at once."""
    field = request.fields_by_number.get(1)
    return (
        field is not None
        and field.GetOptions().Extensions[validate_pb2.field] == _ID_RULES
        and not request.GetOptions().HasExtension(validate_pb2.message)
    )
