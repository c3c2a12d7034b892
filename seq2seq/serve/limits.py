"""What a request may bring: it is checked before anything is queued."""

from __future__ import annotations

import email
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

Fields = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """Bounds of requests and connections.

    Attributes:
        body: Bytes of a body.
        headers: Bytes of all headers together.
        characters: Characters of a text.
        texts: Texts of a request.
        queue_tokens: Estimated tokens that may wait for the engine.
        patience: Seconds until a whole request has come, and an answer is taken.
        keep_alive: Seconds until a connection without requests is closed.
        connections: Open connections.
        health_connections: Further ones, which only /health answers.
        grace: Seconds for what is in work when the server ends.
    """

    body: int = 2**20
    headers: int = 2**14
    characters: int = 5_000
    texts: int = 100
    queue_tokens: int = 50_000
    patience: float = 10.0
    keep_alive: float = 5.0
    connections: int = 256
    health_connections: int = 32
    grace: float = 5.0


def invalid(reason: str) -> HTTPException:
    """Return the error of a request that is wrong, in LibreTranslate's words."""
    return HTTPException(400, f"Invalid request: {reason}")


async def read_fields(request: Request, limits: Limits) -> Fields:
    """Read the fields of a query or a body: JSON, a form, or multipart.

    Raises:
        HTTPException: 400 if it is none of these, 413 if it is too large.
        ClientDisconnect: If the client leaves.
    """
    if request.method == "GET":
        query = request.query_params
        return _single({name: query.getlist(name) for name in query})
    length = request.headers.get("content-length", "")
    body = bytearray()
    more = True
    while more and len(body) <= limits.body:
        if length.isdecimal() and int(length[:20]) > limits.body:
            break
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if more or len(body) > limits.body:
        raise HTTPException(413, f"the body has more than {limits.body:,} bytes")
    content_type = request.headers.get("content-type", "")
    try:
        return _parse(bytes(body), content_type, 2 * limits.texts)
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise HTTPException(400, f"no JSON and no form: {error!s:.80}") from error


def _parse(body: bytes, content_type: str, max_fields: int) -> Fields:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return _single(_parse_multipart(body, content_type, max_fields))
    # curl calls JSON a form, unless it is told.
    if media_type.endswith("urlencoded") and not body.lstrip().startswith(b"{"):
        text = body.decode("ascii")
        return _single(parse_qs(text, True, errors="strict", max_num_fields=max_fields))
    fields = json.loads(body.decode("utf-8"))
    if not isinstance(fields, dict):
        raise ValueError("it is no object")
    return fields


def _parse_multipart(body: bytes, kind: str, max_fields: int) -> dict[str, list[Any]]:
    """Read a form's fields (RFC 7578); the time does not depend on how many come."""
    boundary = email.message_from_string(f"Content-Type: {kind}\n").get_boundary("")
    delimiter = f"\r\n--{boundary}".encode("latin-1")
    _, *parts, rest = (b"\r\n" + body).split(delimiter, max_fields + 1)
    if not rest.startswith(b"--"):
        raise ValueError(f"it has no end, or more than {max_fields} fields")
    form: dict[str, list[Any]] = {}
    for part in parts:
        head, _, value = part.partition(b"\r\n\r\n")
        header: Any = email.message_from_bytes(head[:1000].lstrip())
        name = header.get_param("name", header="content-disposition")
        form.setdefault(str(name), []).append(value.decode("utf-8"))
    return form


def _single(form: dict[str, list[Any]]) -> Fields:
    return {name: v[0] if len(v) == 1 else v for name, v in form.items()}


def texts_of(fields: Fields, limits: Limits) -> list[str]:
    """Return the texts of the field q.

    Raises:
        HTTPException: 400 if there is none, or too many, or one too long.
    """
    texts = fields.get("q")
    texts = texts if isinstance(texts, list) else [texts]
    if not all(isinstance(text, str) for text in texts):
        raise invalid("q must be a text or a list of texts")
    for count, most, unit in (
        (len(texts), limits.texts, "texts"),
        (max(map(len, texts), default=0), limits.characters, "characters of a text"),
    ):
        if count > most:
            raise invalid(f"{count} exceeds the limit of {most} {unit}")
    return texts


def number_of(fields: Fields, name: str, *, default: int, low: int, high: int) -> int:
    """Return a whole number of the fields.

    Raises:
        HTTPException: 400 if it is none, or out of range.
    """
    value = fields.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:9])  # Forms have texts alone.
    if type(value) is int and low <= value <= high:
        return value
    raise invalid(f"{name} must be a whole number of {low} to {high}")


def phrases_of(fields: Fields, name: str) -> tuple[str, ...]:
    """Return a field with at most 20 short phrases; empty if it is missing.

    Raises:
        HTTPException: 400 if it holds something else.
    """
    value = fields.get(name) or []
    phrases = [value] if isinstance(value, str) else value
    is_short = isinstance(phrases, list) and len(phrases) <= 20
    if is_short and all(isinstance(p, str) and len(p) <= 1000 for p in phrases):
        return tuple(phrases)
    raise invalid(f"{name} must be a list of at most 20 short phrases")
