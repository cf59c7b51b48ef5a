"""An SMS gateway: takes messages by HTTP, and shows what would be on people's phones.

    POST /v1/messages    {"message_id", "mobile", "text"}, with `Authorization: Bearer <key>`
    GET  /v1/messages    ?mobile=…: what has arrived there, the oldest first
    PUT  /v1/behaviour   {"delay_seconds", "status", "copies"}: how badly it behaves from now on

A message id that it has seen is answered as before and does not arrive again.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any

from aiohttp import web

OK = 200


@dataclass
class SmsBehaviour:
    """Slow by so much; not OK: refuses with this status; how often a message arrives."""

    delay_seconds: float = 0.0
    status: int = OK
    copies: int = 1


@dataclass(frozen=True)
class Sms:
    """What is on a phone."""

    message_id: str
    mobile: str
    text: str


class SmsGateway:
    """Keeps in memory what has arrived."""

    def __init__(self, key: str) -> None:
        """`key` is what senders must show."""
        self._bearer = f"Bearer {key}".encode()
        self.behaviour = SmsBehaviour()
        self.asked = 0
        """How often somebody wanted to send."""
        self.arrived: list[Sms] = []

    def app(self) -> web.Application:
        """What it answers."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/messages", self._take),
                web.get("/v1/messages", self._show),
                web.put("/v1/behaviour", self._behave),
            ]
        )
        return app

    async def _take(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._bearer):
            raise web.HTTPUnauthorized
        content: dict[str, Any] = await request.json()
        self.asked += 1
        await asyncio.sleep(self.behaviour.delay_seconds)
        if self.behaviour.status != OK:
            return web.Response(status=self.behaviour.status)
        sms = Sms(content["message_id"], content["mobile"], content["text"])
        if sms.message_id not in {each.message_id for each in self.arrived}:
            self.arrived += [sms] * self.behaviour.copies
        return web.json_response({"message_id": sms.message_id})

    async def _show(self, request: web.Request) -> web.Response:
        mobile = request.query.get("mobile")
        shown = [vars(sms) for sms in self.arrived if mobile in (None, sms.mobile)]
        return web.json_response({"messages": shown})

    async def _behave(self, request: web.Request) -> web.Response:
        self.behaviour = SmsBehaviour(**await request.json())
        return web.Response(status=204)
