"""From models and options to a process that serves and ends cleanly."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
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


def make_access(
    host: str,
    *,
    names: Sequence[str],
    origins: Sequence[str],
    token_file: Path | None,
    log_text: bool,
) -> Access:
    """Return who may call a server that listens on a host.

    Raises:
        UserError: If an origin or the token's file is none.
    """
    for origin in origins:
        parts = urlsplit(origin)
        if not parts.scheme or not parts.netloc or parts.path:
            raise UserError(
                f"--allow-origin {origin} is no origin; give scheme and host, such as "
                "https://example.org"
            )
    any_address = host in ("0.0.0.0", "::", "")
    token = "" if token_file is None else read_token(token_file)
    hosts = (*LOOPBACK, *map(str.lower, (*names, host)))
    return Access(hosts, any_address, tuple(origins), token, log_text)


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


def load_models(
    paths: Sequence[Path],
    options: TranslationOptions,
    *,
    engine: str,
    device: str,
    overrides: Sequence[str],
) -> list[Model]:
    """Load the models, and translate a word with each so that all is in memory.

    Raises:
        UserError: If one is none, or two are of the same languages.
    """
    models: dict[tuple[str, str], Model] = {}
    for path in paths:
        data = open_runs(path)[0].recipe.data
        translator = Translator.load(
            path,
            engine=engine,
            device=device,
            overrides=overrides,
            to=data.target,
        )
        for pair in data.pairs:
            model = Model(translator.for_pair(pair), options)
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

        class Protocol(PatientProtocol):
            limits = api.limits

        self.protocol = Protocol
        config = uvicorn.Config(
            api,
            http=self.protocol,
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
        self.protocol.is_ending = True
        loop = asyncio.get_running_loop()
        seconds = 0.8 * self.limits.grace
        closing = loop.call_later(seconds, self.batcher.close)
        await super().shutdown(sockets)
        closing.cancel()


def run_server(
    models: Sequence[Model], access: Access, listener: socket.socket, batch_size: int
) -> None:
    """Serve models until a signal comes.

    Args:
        models: The models.
        access: Who may call.
        listener: A socket that is bound.
        batch_size: Maximal number of segments in a batch.
    """
    limits = Limits()
    batcher = Batcher(batch_size=batch_size, queue_tokens=limits.queue_tokens)
    api = Api(models, batcher, limits, access)
    # The loop shares Python's lock with the engine; each turn would take 5 ms.
    sys.setswitchinterval(0.0005)
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    if host not in LOOPBACK and not access.token:
        print_warning(
            f"{name} is open to other machines, without a token and encryption; see "
            "--token-file, and put a proxy with TLS in front of it"
        )
    for model in models:
        beam = model.translator.recipe.search.beam_size
        print_hint(f"{' to '.join(model.languages)}, beam {beam}")
    ready = f"serving on http://{name}:{port}/ until Ctrl-C"
    Server(api, ready).run(sockets=[listener])
    batcher.close()
    if not batcher.join(timeout=0.5):
        # The thread is in the middle of a batch that nobody waits for.
        sys.stdout.flush()
        os._exit(0)
