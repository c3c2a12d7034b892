"""From models and options to a process that serves and ends cleanly."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal
from urllib.parse import urlsplit

import uvicorn

from seq2seq.engines.factory import open_runs
from seq2seq.errors import UserError
from seq2seq.serve.app import LOOPBACK, Access, Api
from seq2seq.serve.batcher import Batcher
from seq2seq.serve.libretranslate import Model
from seq2seq.serve.limits import Limits
from seq2seq.serve.patience import PatientProtocol
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.utils.console import print_hint, print_warning


@dataclass(frozen=True)
class ServerOptions:
    """Options of the command; `--help` explains them."""

    host: str = "127.0.0.1"
    port: int = 5000
    engine: str = "torch"
    device: str = "auto"
    overrides: tuple[str, ...] = ()
    sentences: Literal["split", "keep"] | None = None
    batch_size: int = 64
    token_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    log_text: bool = False

    def access(self) -> Access:
        """Return who may ask.

        Raises:
            UserError: If an origin or the token's file is none.
        """
        for origin in self.allowed_origins:
            parts = urlsplit(origin)
            if not parts.scheme or not parts.netloc or parts.path:
                raise UserError(
                    f"--allow-origin {origin} is no origin; give scheme and host, such "
                    "as https://example.org"
                )
        any_address = self.host in ("0.0.0.0", "::", "")
        hosts = (*LOOPBACK, *self.allowed_hosts, self.host)
        token = "" if self.token_file is None else read_token(self.token_file)
        return Access(hosts, any_address, self.allowed_origins, token, self.log_text)


def read_token(path: Path) -> str:
    """Read the token that requests must bring.

    Raises:
        UserError: If there is none in the file, or it is too short to be a secret.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise UserError(f"--token-file {path} cannot be read: {error}") from error
    if len(token) < 16 or not token.isprintable():
        raise UserError(
            f"--token-file {path} must hold a line of at least 16 characters: "
            f"openssl rand -hex 16 > {path}"
        )
    return token


def load_models(paths: Sequence[Path], options: ServerOptions) -> list[Model]:
    """Load the models, and translate a word with each so that all is in memory.

    Raises:
        UserError: If one is none, or two are of the same languages.
    """
    models: dict[tuple[str, str], Model] = {}
    for path in paths:
        data = open_runs(path)[0].recipe.data
        translator = Translator.load(
            path,
            engine=options.engine,
            device=options.device,
            overrides=options.overrides,
            to=data.target,
        )
        for pair in data.pairs:
            model = Model(
                translator.for_pair(pair),
                TranslationOptions(
                    batch_size=options.batch_size,
                    sentences=options.sentences,
                    return_scores=False,
                    on_error="return",
                ),
            )
            if pair in models:
                raise UserError(
                    f"{path} translates {' to '.join(pair)}, as another of the models "
                    "does; serve one of them, or each on a --port of its own."
                )
            models[pair] = model
            model.translator(["."])
    return list(models.values())


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and does not listen yet.

    Raises:
        UserError: If it cannot be.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small packets at once only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # On Windows another program could take the port over.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); give another "
            "--port, 0 for a free one, or another --host."
        ) from error
    return listener


class Server(uvicorn.Server):
    """Ends at a signal with status 0 after what is in work; at a second one at once."""

    def __init__(self, api: Api, ready: str = "") -> None:
        self.ready = ready
        self.batcher, self.limits = api.batcher, api.limits
        config = uvicorn.Config(
            api,
            http=type("Protocol", (PatientProtocol,), {"limits": api.limits}),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,  # It has the queries of paths, which may have texts.
            server_header=False,
            timeout_keep_alive=api.limits.keep_alive,  # type: ignore[arg-type]
            timeout_graceful_shutdown=api.limits.grace,  # type: ignore[arg-type]
            h11_max_incomplete_event_size=api.limits.headers,
        )
        super().__init__(config)
        # Bad requests are answered, not logged.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        print_hint(self.ready)
        sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is in work, and refuse in time what has not begun."""
        loop = asyncio.get_running_loop()
        seconds = 0.8 * self.limits.grace
        closing = loop.call_later(seconds, self.batcher.close)
        await super().shutdown(sockets)
        closing.cancel()


def serve_models(paths: Sequence[Path], options: ServerOptions) -> None:
    """Load models and serve them until a signal comes.

    Raises:
        UserError: If the options or a model are wrong, or the port is taken.
    """
    access = options.access()
    limits = Limits()
    listener = bind(options.host, options.port)
    models = load_models(paths, options)
    batcher = Batcher(batch_size=options.batch_size, queue_tokens=limits.queue_tokens)
    api = Api(models, batcher, limits, access)
    sys.setswitchinterval(0.0005)
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    if not _is_loopback(host) and not access.token:
        print_warning(
            f"{name} is open to other machines, without a token and encryption; see "
            "--token-file, and put a proxy with TLS in front of it"
        )
    for model in models:
        search = model.translator.recipe.search
        pair = " to ".join(model.languages)
        print_hint(f"{pair}: {options.engine}, beam {search.beam_size}")
    ready = f"serving on http://{name}:{port}/ until Ctrl-C"
    Server(api, ready).run(sockets=[listener])
    batcher.close()
    if not batcher.join(timeout=0.5):
        # The thread is in the middle of a batch that nobody waits for.
        sys.stdout.flush()
        os._exit(0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
