"""What a request may bring: it is checked before anything is queued."""

from __future__ import annotations

import email
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


@dataclass(frozen=True)
class Limits:
    """Bounds of requests and connections.

    Attributes:
        body: Bytes of a body.
        headers: Bytes of all headers together.
        characters: Characters of a text.
        texts: Texts of a request.
        queue_tokens: Estimated tokens that may wait for a model.
        header_seconds: Until a header is complete, and again until a body is.
        keep_alive_seconds: Until a connection without requests is closed.
        connections: Open connections.
        health_connections: Further ones, which only /health answers.
        grace_seconds: For what is in work when the server ends.
    """

    body: int = 2**20
    headers: int = 2**14
    characters: int = 5_000
    texts: int = 100
    queue_tokens: int = 50_000
    header_seconds: float = 10.0
    keep_alive_seconds: float = 5.0
    connections: int = 256
    health_connections: int = 32
    grace_seconds: float = 5.0


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read a body, as far as it is allowed.

    Raises:
        HTTPException: 413 if it is too large, 408 if it does not come in time.
        ClientDisconnect: If the client leaves.
    """
    length = request.headers.get("content-length", "")
    body = bytearray()
    try:
        with anyio.fail_after(limits.header_seconds):
            if not length.isdecimal() or int(length) <= limits.body:
                while True:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    body += message.get("body", b"")
                    if len(body) > limits.body:
                        break
                    if not message.get("more_body"):
                        return bytes(body)
    except TimeoutError as error:
        raise HTTPException(
            408, f"the body was not complete after {limits.header_seconds:g} seconds"
        ) from error
    raise HTTPException(413, f"the body has more than {limits.body:,} bytes")


async def read_fields(request: Request, limits: Limits) -> dict[str, Any]:
    """Read a body's fields: JSON, or a form, URL-encoded or multipart.

    Raises:
        HTTPException: 400 if it is neither, or as `read_body`.
    """
    body = await read_body(request, limits)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        if media_type == "multipart/form-data":
            header = f"Content-Type: {request.headers['content-type']}\r\n\r\n"
            parts: Any = email.message_from_bytes(header.encode("latin-1") + body)
            form: dict[str, list[Any]] = {}
            for part in parts.get_payload():
                name = str(part.get_param("name", header="content-disposition"))
                value = part.get_payload(decode=True).decode("utf-8")
                form.setdefault(name, []).append(value)
        elif (
            media_type == "application/x-www-form-urlencoded"
            and body.lstrip()[:1] != b"{"  # What curl sends as a form by mistake.
        ):
            form = parse_qs(
                body.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=2 * limits.texts,
            )
        else:
            fields = json.loads(body.decode("utf-8"))
            if not isinstance(fields, dict):
                raise ValueError("it is no object")
            return fields
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise HTTPException(
            400, f"the body is neither JSON nor a form ({error!s:.80})"
        ) from error
    return {name: v[0] if len(v) == 1 else v for name, v in form.items()}


def require_texts(fields: dict[str, Any], limits: Limits) -> list[str]:
    """Return the texts of the field q.

    Raises:
        HTTPException: 400 if there is none, or too many, or one too long.
    """
    value = fields.get("q")
    texts: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise HTTPException(400, "Invalid request: q must be a text or a list of texts")
    if len(texts) > limits.texts:
        raise HTTPException(
            400,
            f"Invalid request: request ({len(texts)}) exceeds text limit "
            f"({limits.texts})",
        )
    for text in texts:
        if len(text) > limits.characters:
            raise HTTPException(
                400,
                f"Invalid request: request ({len(text)}) exceeds text limit "
                f"({limits.characters})",
            )
    return texts


def require_number(
    fields: dict[str, Any], name: str, *, default: int, low: int, high: int
) -> int:
    """Return a whole number of the fields.

    Raises:
        HTTPException: 400 if it is none, or out of range.
    """
    value: Any = fields.get(name, default)
    if isinstance(value, str) and value.isdecimal() and len(value) < 9:
        value = int(value)  # Forms have texts alone.
    if isinstance(value, bool) or not isinstance(value, int):
        value = None
    if value is None or not low <= value <= high:
        raise HTTPException(
            400, f"Invalid request: {name} must be a whole number of {low} to {high}"
        )
    return int(value)


def require_phrases(fields: dict[str, Any], name: str, *, most: int = 20) -> list[str]:
    """Return a list of phrases of the fields; empty if there is none.

    Raises:
        HTTPException: 400 if it is no list of at most so many short texts.
    """
    value = fields.get(name) or []
    value = [value] if isinstance(value, str) else value
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(isinstance(phrase, str) and len(phrase) <= 1000 for phrase in value)
    ):
        raise HTTPException(
            400, f"Invalid request: {name} must be a list of at most {most} phrases"
        )
    return value
