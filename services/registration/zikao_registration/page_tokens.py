"""Where the next page of a list begins, as a text that callers can neither read nor change."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, cast

from google.protobuf.message import Message
from zikao_kit.context import current_actor
from zikao_kit.crypto import DecryptionFailed, KeyRing
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.idempotency import sha256

# The same list may be read on with another size of its pages.
_NOT_OF_THE_LIST = ("page_token", "page_size")


class PageTokens:
    """Tokens of one request's list: bound to its caller and its filters by encryption."""

    def __init__(self, keys: KeyRing, request: Message) -> None:
        self._keys = keys
        self._token: str = cast(Any, request).page_token
        filters = type(request)()
        filters.CopyFrom(request)
        for field in _NOT_OF_THE_LIST:
            filters.ClearField(field)
        digest = sha256(filters.SerializeToString(deterministic=True)).hex()
        method, actor = request.DESCRIPTOR.full_name, current_actor()
        self._context = f"registration.page:{actor.subject}:{actor.scope}:{method}:{digest}"

    def make(self, place: Sequence[str | int]) -> str:
        """The token of a place in the list."""
        sealed = self._keys.encrypt(json.dumps(list(place)).encode(), self._context)
        return urlsafe_b64encode(sealed).decode()

    def read(self) -> list[Any] | None:
        """The place of the request's token; None on the first page.

        Raises DomainError INVALID_REQUEST for a token that is changed, another's or another list's.
        """
        if not self._token:
            return None
        try:
            sealed = urlsafe_b64decode(self._token)
            place: list[Any] = json.loads(self._keys.decrypt(sealed, self._context))
        except (ValueError, DecryptionFailed):
            problem = FieldProblem("page_token", "翻页标记无效")
            raise DomainError(INVALID_REQUEST, fields=[problem]) from None
        return place
