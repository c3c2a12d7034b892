"""Connections that make others wait are closed: a protocol for uvicorn.

uvicorn keeps what sends half a header or half a body for as long as the client likes,
and a limit of connections alone would let a few such clients shut everybody out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from seq2seq.serve.limits import Limits

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


class _Joined:
    """A transport that sends at once what is written in one turn of the loop.

    uvicorn writes headers and body separately, and each costs a system call.
    """

    def __init__(self, transport: asyncio.Transport, loop: Any) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        if data:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with deadlines, and a bounded number of connections.

    Beyond the limit only /health is answered, and beyond that the connection that has
    been sending its request for longest makes room.

    Attributes:
        limits: The bounds.
        leave: Called when the connection is lost during a request.
        is_ending: Whether the server ends; connections close after their answer.
        is_beyond: Whether there were too many connections when it was made.
    """

    limits = Limits()
    leave: Callable[[], None] | None = None
    is_ending = False
    is_beyond = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]
        self._renew_deadline()
        beyond = len(self.connections) - self.limits.connections
        self.is_beyond = beyond > 0
        if beyond > self.limits.health_connections:
            waiting = [c for c in self.connections if getattr(c, "_deadline", None)]
            oldest = min(waiting, key=lambda c: c._deadline.when())  # type: ignore[union-attr]
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Stop the deadline when a whole request has come, else go on with it."""
        super().data_received(data)
        if self.scope is not None:
            self.scope["seq2seq.connection"] = self  # type: ignore[typeddict-unknown-key]
        self._renew_deadline()

    def _renew_deadline(self) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            if self._deadline is None:
                seconds = self.limits.patience
                self._deadline = self.loop.call_later(seconds, self._expire)
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not cycle.response_started:
            self._refuse(408, "the request was not complete in time")
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline, and drop the request."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self.leave is not None:
            self.leave()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Go on with the next request, unless the server ends."""
        super().on_response_complete()
        if self.is_ending:
            self.shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle, and soon what does not take its answer either."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self.limits.patience, self.transport.abort)

    def shutdown(self) -> None:
        """Close what has not sent a whole request; answer the rest."""
        if self._deadline is not None:
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or a header that is too long."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"error": message}).encode("ascii")
        headers = [
            *HEADERS,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
