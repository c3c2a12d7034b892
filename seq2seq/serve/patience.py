"""Connections that make others wait are closed: a protocol for uvicorn.

uvicorn keeps what sends half a header for as long as the client likes, and a limit of
connections alone would let a few such clients shut everybody out.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from seq2seq.serve.limits import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
        b"form-action 'none'",
    ),
]
"""Of every answer, whatever its status."""


def json_error(message: str) -> bytes:
    """Return the body of an error as LibreTranslate has it; ASCII alone."""
    return json.dumps({"error": message}).encode("ascii")


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with deadlines, and a bounded number of connections.

    A connection without a request in work must complete a header in time. Beyond the
    limit only /health is answered, and beyond that the connection that has been silent
    for longest makes room.
    """

    limits = Limits()
    _deadline: asyncio.TimerHandle | None = None
    _silent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first header."""
        super().connection_made(transport)
        self._expect_header()
        most = self.limits.connections
        if len(self.connections) > most:
            self.app = _health_alone(self.app)
        if len(self.connections) > most + self.limits.health_connections:
            others = [c for c in self.connections if getattr(c, "_deadline", None)]
            oldest = min(others, key=lambda c: c._silent_since)  # type: ignore[union-attr]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Stop the deadline when a header is complete, else go on with it."""
        super().data_received(data)
        if self._is_idle:
            self._expect_header()
        else:
            self._stop_deadline()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is in work."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_header(self) -> None:
        if self._deadline is None:
            self._silent_since = self.loop.time()
            seconds = self.limits.header_seconds
            self._deadline = self.loop.call_later(seconds, self._close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if self._is_idle:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._stop_deadline()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle, and soon what does not read its answer either."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.limits.header_seconds, self.transport.abort)

    def shutdown(self) -> None:
        """Close what has not sent a whole request; answer the rest."""
        if self.cycle is not None and self.cycle.more_body and not self._is_idle:
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or a header that is too long."""
        body = json_error(msg)
        headers = [
            *HEADERS,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _health_alone(app: ASGIApp) -> ASGIApp:
    """Refuse all but /health, and close the connection after its answer."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app({**scope, "seq2seq.full": True}, receive, closing)

    return limited
