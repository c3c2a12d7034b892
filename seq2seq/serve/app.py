"""The routes of a server, and the guard in front of them."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from seq2seq.errors import UserError
from seq2seq.serve import libretranslate
from seq2seq.serve.batcher import (
    Batcher,
    ClosingError,
    Job,
    QueueFullError,
    estimated_tokens,
)
from seq2seq.serve.limits import (
    Limits,
    read_fields,
    require_number,
    require_phrases,
    require_texts,
)
from seq2seq.serve.metrics import Metrics
from seq2seq.serve.page import page_files
from seq2seq.serve.patience import HEADERS, json_error
from seq2seq.translate.explain import explain

log = logging.getLogger(__name__)

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        hosts: Names by which the server may be called, beside the loopback's.
        any_address: Whether it may be called by any IP address, since it is bound to
            all. A name would let a foreign page reach it (DNS rebinding).
        origins: Other sites whose pages may call it.
        token: What requests that compute must bring; none if empty.
        log_text: Whether texts are logged.
    """

    hosts: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    origins: tuple[str, ...] = ()
    token: str = ""
    log_text: bool = False

    def allows_host(self, host: str) -> bool:
        """Return whether a Host header names this server."""
        name = urlsplit(f"//{host}").hostname or ""
        if name in self.hosts:
            return True
        with suppress(ValueError):
            return self.any_address and bool(ipaddress.ip_address(name))
        return False


@dataclass
class Api:
    """The routes of a server.

    Attributes:
        models: The models, one for each pair of languages.
        batcher: Computes for all of them.
        limits: What requests may bring.
        access: Who may ask.
        metrics: What is counted.
    """

    models: Sequence[libretranslate.Model]
    batcher: Batcher
    limits: Limits = field(default_factory=Limits)
    access: Access = field(default_factory=Access)
    metrics: Metrics = field(default_factory=Metrics)

    def routes(self) -> list[Route]:
        """Return all routes; api.json describes those that are no page."""
        api = (Path(__file__).with_name("api.json")).read_bytes()
        settings = libretranslate.frontend_settings(
            self.models, self.limits, needs_key=bool(self.access.token)
        )
        fixed: dict[str, tuple[bytes, str]] = {
            "/health": (b'{"status": "ok"}', "application/json"),
            "/languages": _json(libretranslate.list_languages(self.models)),
            "/frontend/settings": _json(settings),
            "/v1/openapi.json": (api, "application/json"),
            **page_files(),
        }
        routes = [
            Route(path, partial(_fixed, content, media_type), methods=["GET"])
            for path, (content, media_type) in fixed.items()
        ]
        posts = {
            "/translate": self.translate,
            "/detect": self.detect,
            "/v1/explain": self.explain,
        }
        return [
            *(Route(path, call, methods=["POST"]) for path, call in posts.items()),
            Route("/v1/stream", self.stream, methods=["GET", "POST"]),
            Route("/metrics", self.show_metrics, methods=["GET"]),
            *routes,
        ]

    async def translate(self, request: Request) -> Response:
        """Translate, as LibreTranslate does."""
        fields = await self._fields(request)
        parsed = libretranslate.TranslateRequest.parse(fields, self.models, self.limits)
        job = self._admit(
            lambda: self.batcher.translate(
                parsed.model.pipeline(parsed.n_best), parsed.lines()
            )
        )
        return JSONResponse(parsed.answer(await self._result(request, job)))

    async def detect(self, request: Request) -> Response:
        """Answer the language of the source, where there is only one."""
        fields = await self._fields(request)
        require_texts(fields, self.limits)
        (source,) = {model.languages[0] for model in self.models}
        return JSONResponse([{"confidence": 0.0, "language": source}])

    async def explain(self, request: Request) -> Response:
        """Answer how a text was translated."""
        call, cost = self._explanation(await self._fields(request))
        job = self._admit(lambda: self.batcher.run(call, cost=cost))
        return JSONResponse(await self._result(request, job))

    async def stream(self, request: Request) -> Response:
        """Send each step of a search as it happens, then the explanation."""
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[Any] = asyncio.Queue()

        def watcher(step: Any) -> None:
            if job.left:
                raise ClientDisconnect
            loop.call_soon_threadsafe(steps.put_nowait, ("step", step))

        call, cost = self._explanation(await self._fields(request), watcher=watcher)
        job = self._admit(lambda: self.batcher.run(call, cost=cost))
        job.future.add_done_callback(lambda done: steps.put_nowait(("done", done)))

        async def events() -> AsyncIterator[str]:
            try:
                name = "step"
                while name == "step":
                    name, content = await steps.get()
                    if name == "done" and content.exception() is not None:
                        name = "error"
                        content = {"error": _error_of(content.exception()).detail}
                    elif name == "done":
                        content = content.result()
                    text = json.dumps(content, ensure_ascii=False)
                    yield f"event: {name}\ndata: {text}\n\n"
            finally:
                self.batcher.leave(job)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def show_metrics(self, request: Request) -> Response:
        """Return what was counted."""
        self._authorise(request, {})
        text = self.metrics.render(waiting_tokens=self.batcher.waiting_tokens)
        return Response(text, media_type="text/plain; version=0.0.4")

    def _explanation(
        self, fields: dict[str, Any], watcher: Callable[[Any], None] | None = None
    ) -> tuple[Callable[[], Any], int]:
        """Return a call that explains, and its estimated tokens."""
        texts = require_texts(fields, self.limits)
        if len(texts) != 1 or len(texts[0]) > 1000:
            raise HTTPException(
                400, "Invalid request: q must be a text of 1,000 characters"
            )
        model = libretranslate.choose_model(fields, self.models)
        prefix = fields.get("prefix") or ""
        if not isinstance(prefix, str) or len(prefix) > 2000:
            raise HTTPException(400, "Invalid request: prefix must be a short text")
        beam = model.translator.recipe.search.beam_size
        call = partial(
            explain,
            model.translator,
            texts[0],
            prefix=prefix,
            required=tuple(require_phrases(fields, "required")),
            forbidden=tuple(require_phrases(fields, "forbidden")),
            beam_size=require_number(fields, "beam", default=beam, low=1, high=32),
            watcher=watcher,
        )
        return call, estimated_tokens(texts[0])

    async def _fields(self, request: Request) -> dict[str, Any]:
        """Read the fields of a body, or of a query; check the token."""
        if request.method == "GET":
            query = request.query_params
            fields: dict[str, Any] = {
                name: values[0] if len(values := query.getlist(name)) == 1 else values
                for name in query
            }
        else:
            fields = await read_fields(request, self.limits)
        self._authorise(request, fields)
        if self.access.log_text:
            log.info("%s %s", request.url.path, json.dumps(fields.get("q")))
        return fields

    def _authorise(self, request: Request, fields: dict[str, Any]) -> None:
        if not self.access.token:
            return
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = bearer or str(fields.get("api_key", ""))
        if not hmac.compare_digest(
            key.encode("utf-8", "replace"), self.access.token.encode()
        ):
            raise HTTPException(403, "Invalid API key")

    def _admit(self, queue: Callable[[], Job]) -> Job:
        try:
            return queue()
        except (QueueFullError, ClosingError) as error:
            raise _error_of(error) from error

    async def _result(self, request: Request, job: Job) -> Any:
        """Wait for a job; drop it if the client leaves first.

        Raises:
            ClientDisconnect: If it has left.
            HTTPException: If the job failed.
        """
        leaving = asyncio.ensure_future(_left(request))
        leaving.add_done_callback(lambda left: left.cancelled() or job.future.cancel())
        try:
            return await job.future
        except asyncio.CancelledError as error:
            if not leaving.done():
                raise  # The server ends.
            raise ClientDisconnect from error
        except Exception as error:
            raise _error_of(error) from error
        finally:
            self.batcher.leave(job)
            leaving.cancel()

    def asgi(self) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        """Return the application with its guard."""
        app = Starlette(
            routes=self.routes(), exception_handlers={HTTPException: _answer_error}
        )
        known = {route.path for route in self.routes()}
        access, limits, metrics = self.access, self.limits, self.metrics

        async def guard(scope: Scope, receive: Receive, send: Send) -> None:
            """Check hosts, origins and headers; add headers to every answer."""
            started = time.perf_counter()
            headers = dict(scope["headers"])
            origin = headers.get(b"origin", b"").decode("latin-1")
            status = 0

            async def sending(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message["headers"], *HEADERS]
                    if origin in access.origins:
                        message["headers"] += _cors(origin)
                await send(message)

            try:
                refusal = _refusal(scope, headers, origin, access, limits)
                await (refusal or app)(scope, receive, sending)
            except ClientDisconnect:
                return
            except Exception:
                # No text of a request is in the traceback, only where it happened.
                log.exception("%s %s failed", scope["method"], scope["path"][:80])
                if not status:
                    failure = Response(json_error("Internal error"), 500)
                    await failure(scope, receive, sending)
            finally:
                route = scope["path"] if scope["path"] in known else "other"
                metrics.requests[route, status] += 1
                metrics.seconds.observe(time.perf_counter() - started)

        return guard


def _refusal(
    scope: Scope,
    headers: dict[bytes, bytes],
    origin: str,
    access: Access,
    limits: Limits,
) -> Response | None:
    """Return the answer to a request that reaches no route; None if it may."""
    host = headers.get(b"host", b"").decode("latin-1")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.headers:
        return _error(431, f"the headers have more than {limits.headers:,} bytes")
    if scope["path"] == "/health":
        return None
    if scope.get("seq2seq.full"):
        return _error(503, "too many connections", {"retry-after": "1"})
    if not access.allows_host(host):
        return _error(421, "this server has another name; see --allow-host")
    if origin and origin not in access.origins and urlsplit(origin).netloc != host:
        return _error(403, "pages of this origin may not ask; see --allow-origin")
    if scope["method"] == "OPTIONS" and origin in access.origins:
        return Response(status_code=204)
    return None


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json_error(text), status, headers, "application/json")


async def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))


def _error_of(error: BaseException) -> HTTPException:
    """Return what a client is told of an error of its job."""
    if isinstance(error, QueueFullError):
        wait = str(error.args[0])
        return HTTPException(503, "too much waits; try again", {"Retry-After": wait})
    if isinstance(error, ClosingError):
        return HTTPException(503, "the server ends", {"Retry-After": "5"})
    if isinstance(error, UserError):
        return HTTPException(400, str(error))
    log.error("a search failed", exc_info=error)
    return HTTPException(500, "Internal error")


async def _left(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _fixed(content: bytes, media_type: str, _: Request) -> Response:
    return Response(content, media_type=media_type)


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value, ensure_ascii=False).encode(), "application/json"


def _cors(origin: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"vary", b"origin"),
    ]
