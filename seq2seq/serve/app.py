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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from seq2seq.errors import UserError
from seq2seq.serve import libretranslate
from seq2seq.serve.batcher import Batcher, ClosingError, Job, QueueFullError
from seq2seq.serve.limits import (
    Fields,
    Limits,
    invalid,
    number_of,
    phrases_of,
    read_fields,
    texts_of,
)
from seq2seq.serve.metrics import Metrics
from seq2seq.serve.page import page_files
from seq2seq.serve.patience import HEADERS
from seq2seq.translate.explain import explain

log = logging.getLogger(__name__)

MAX_BEAM = 10
"""Of an explanation, unless the recipe's beam is wider."""
EXPLAIN_COST = 2
"""A token of an explanation costs so many in a batch, times its beam size."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Access:
    """Who may call.

    Attributes:
        hosts: Names of the server, in lower case. By another one a page elsewhere could
            reach it (DNS rebinding).
        any_address: Whether any IP address is a name as well.
        origins: Other sites whose pages may call.
        token: What requests that compute must bring; none if empty.
        log_text: Whether texts are logged.
    """

    hosts: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    origins: tuple[str, ...] = ()
    token: str = ""
    log_text: bool = False

    def check(self, host: str, origin: str) -> None:
        """Check the headers Host and Origin of a request.

        Raises:
            HTTPException: 421 or 403 if it may not call.
        """
        allowed = False
        with suppress(ValueError):
            name = urlsplit(f"//{host}").hostname or ""
            allowed = name in self.hosts
            allowed = allowed or (self.any_address and bool(ipaddress.ip_address(name)))
        if not allowed:
            raise HTTPException(421, "this server has another name: --allow-host")
        own = ("", f"http://{host}", f"https://{host}")
        if origin not in own and origin not in self.origins:
            raise HTTPException(403, "pages of other sites may not: --allow-origin")

    def check_token(self, request: Request, key: str = "") -> None:
        """Check a token, of the header or else of the field api_key.

        Raises:
            HTTPException: 403 if it is missing or wrong.
        """
        header = request.headers.get("authorization", "")
        key = header.removeprefix("Bearer ") or key
        if self.token and not hmac.compare_digest(
            key.encode("utf-8", "replace"), self.token.encode()
        ):
            raise HTTPException(403, "Invalid API key")

    def cors(self, request: Request) -> list[tuple[bytes, bytes]]:
        """Return headers for an allowed origin."""
        origin = request.headers.get("origin", "")
        if origin not in self.origins:
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"vary", b"origin"),
        ]


class Api:
    """The application.

    Args:
        models: The models, one for each pair of languages.
        batcher: Computes for all of them.
        limits: What requests may bring.
        access: Who may call.

    Attributes:
        routes: The handler of each method, by the path; api.json describes them.
        metrics: What is counted.
    """

    def __init__(
        self,
        models: Sequence[libretranslate.Model],
        batcher: Batcher,
        limits: Limits,
        access: Access,
    ) -> None:
        self.models, self.batcher = models, batcher
        self.limits, self.access = limits, access
        self.metrics = Metrics()
        batcher.on_batch = self.metrics.batches.observe
        api = Path(__file__).with_name("api.json").read_bytes()
        settings = libretranslate.frontend_settings(models, limits, bool(access.token))
        fixed = {
            "/health": _json({"status": "ok"}),
            "/languages": _json(libretranslate.list_languages(models)),
            "/frontend/settings": _json(settings),
            "/v1/openapi.json": (api, "application/json"),
            **page_files(),
        }
        self.routes: dict[str, dict[str, Handler]] = {
            "/translate": {"POST": self.translate},
            "/detect": {"POST": self.detect},
            "/v1/explain": {"POST": self.explain},
            "/v1/stream": {"GET": self.stream, "POST": self.stream},
            "/metrics": {"GET": self.show_metrics},
            **{path: {"GET": partial(_fixed, *file)} for path, file in fixed.items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with the headers of every answer."""
        started = time.perf_counter()
        request = Request(scope, receive)
        response: Response | None = None
        try:
            try:
                response = await self._handler(request)(request)
            except HTTPException as error:
                response = _error(error)
            except ClientDisconnect:
                return
            except Exception:
                log.exception("%s failed", scope["method"])
                response = _error(HTTPException(500, "Internal error"))
            response.raw_headers += [*HEADERS, *self.access.cors(request)]
            with suppress(ClientDisconnect):
                await response(scope, receive, send)
        finally:
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.requests[route, response.status_code if response else 0] += 1
            self.metrics.seconds.observe(time.perf_counter() - started)

    def _handler(self, request: Request) -> Handler:
        """Return what answers a request.

        Raises:
            HTTPException: If it may not call, or there is no such route.
        """
        path, method = request.scope["path"], request.method
        size = sum(len(key) + len(value) for key, value in request.scope["headers"])
        if size > self.limits.headers:
            raise HTTPException(431, f"more than {self.limits.headers:,} header bytes")
        if path != "/health":
            connection = request.scope.get("seq2seq.connection")
            if connection is not None and connection.is_beyond:
                headers = {"Retry-After": "1", "Connection": "close"}
                raise HTTPException(503, "too many connections", headers)
            host, origin = map(request.headers.get, ("host", "origin"))
            self.access.check(host or "", origin or "")
        methods = self.routes.get(path)
        if methods is None:
            raise HTTPException(404, "Not Found")
        if method == "OPTIONS" and self.access.cors(request):
            return partial(_fixed, b"", "text/plain")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = {"Allow": ", ".join(methods)}
            raise HTTPException(405, "Method Not Allowed", allowed)
        return handler

    async def translate(self, request: Request) -> Response:
        """Translate, as LibreTranslate does."""
        fields = await self._fields(request)
        parsed = libretranslate.TranslateRequest.parse(fields, self.models, self.limits)
        pipeline = parsed.model.pipeline(parsed.n_best)
        job = self._queue(request, pipeline, parsed.lines())
        return JSONResponse(parsed.answer(await self._result(job)))

    async def detect(self, request: Request) -> Response:
        """Answer the sources there are; nothing is detected."""
        texts_of(await self._fields(request), self.limits)
        sources = dict.fromkeys(model.languages[0] for model in self.models)
        return JSONResponse([{"confidence": 0.0, "language": s} for s in sources])

    async def explain(self, request: Request) -> Response:
        """Answer how a text is translated."""
        call, text, cost = self._explanation(await self._fields(request))
        job = self._queue(request, call, [text], cost)
        return JSONResponse(await self._result(job))

    async def stream(self, request: Request) -> Response:
        """Send each step of a search as it happens, then the explanation."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

        def watch(step: Any) -> None:
            if job.left:
                raise ClientDisconnect
            loop.call_soon_threadsafe(queue.put_nowait, ("step", step))

        async def finish() -> None:
            try:
                queue.put_nowait(("done", await self._result(job)))
            except HTTPException as error:
                queue.put_nowait(("error", {"error": error.detail}))

        async def events() -> AsyncIterator[str]:
            ending = asyncio.create_task(finish())
            try:
                name = "step"
                while name == "step":
                    name, content = await queue.get()
                    yield f"event: {name}\ndata: {json.dumps(content)}\n\n"
            finally:
                self.batcher.leave(job)
                ending.cancel()

        fields = await self._fields(request)
        call, text, cost = self._explanation(fields, watcher=watch)
        job = self._queue(request, call, [text], cost)
        return StreamingResponse(events(), media_type="text/event-stream")

    async def show_metrics(self, request: Request) -> Response:
        """Answer what was counted."""
        self.access.check_token(request)
        text = self.metrics.render(waiting_tokens=self.batcher.waiting_tokens)
        return Response(text, media_type="text/plain; version=0.0.4")

    def _explanation(
        self, fields: Fields, **options: Any
    ) -> tuple[Callable[[], Any], str, int]:
        """Return a call that explains a text, the text, and what a token costs."""
        texts = texts_of(fields, self.limits)
        prefix = fields.get("prefix") or ""
        if len(texts) != 1 or not isinstance(prefix, str):
            raise invalid("q and prefix must be a text each")
        if max(map(len, (*texts, prefix))) > 1000:
            raise invalid("q or prefix exceeds the limit of 1000 characters")
        model = libretranslate.choose_model(fields, self.models)
        beam = model.translator.recipe.search.beam_size
        high = max(MAX_BEAM, beam)
        beam = number_of(fields, "beam", default=beam, low=1, high=high)
        for name in ("required", "forbidden"):
            options[name] = phrases_of(fields, name)
        options |= {"prefix": prefix, "beam_size": beam}
        call = partial(explain, model.translator, *texts, **options)
        return call, texts[0], EXPLAIN_COST * beam

    async def _fields(self, request: Request) -> Fields:
        """Read the fields of a request, and check its token."""
        fields = await read_fields(request, self.limits)
        self.access.check_token(request, str(fields.get("api_key", "")))
        if self.access.log_text:
            log.info("%s %s", request.url.path, json.dumps(fields.get("q")))
        return fields

    def _queue(
        self, request: Request, work: Any, lines: list[str], cost_factor: int = 1
    ) -> Job:
        """Queue a job, which is dropped when the client leaves."""
        try:
            job = self.batcher.queue(work, lines, cost_factor=cost_factor)
        except QueueFullError as error:
            headers = {"Retry-After": str(error.args[0])}
            raise HTTPException(503, "too much waits; come back", headers) from error
        except ClosingError as error:
            raise HTTPException(503, "the server ends") from error
        connection = request.scope.get("seq2seq.connection")
        if connection is not None:
            connection.leave = partial(self.batcher.leave, job)
        return job

    async def _result(self, job: Job) -> Any:
        """Wait for a job.

        Raises:
            HTTPException: If it failed.
        """
        try:
            return await job.future
        except asyncio.CancelledError as error:
            if job.left:
                raise ClientDisconnect from error
            raise
        except ClosingError as error:
            raise HTTPException(503, "the server ends") from error
        except UserError as error:
            raise HTTPException(400, str(error)) from error


async def _fixed(content: bytes, media_type: str, _: Request) -> Response:
    return Response(content, media_type=media_type)


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value, ensure_ascii=False).encode(), "application/json"


def _error(error: HTTPException) -> Response:
    body = json.dumps({"error": error.detail})
    return Response(body, error.status_code, error.headers, "application/json")
