"""A server in a thread of the test's process, and pipelines that wait for the test."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from seq2seq.errors import UserError
from seq2seq.serve.app import Access, Api
from seq2seq.serve.batcher import Batcher
from seq2seq.serve.libretranslate import Model
from seq2seq.serve.limits import Limits
from seq2seq.serve.server import Server
from seq2seq.translate.input_splitting import Segment, SegmentedLine
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
)


class StubPipeline:
    """A letter is a segment of one token, and a word one of a token a letter.

    Attributes:
        batches: The segments of each batch, as text.
        proceed: A batch is searched when it is set.
        began: Released for each batch that has begun.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.proceed = threading.Event()
        self.began = threading.Semaphore(0)

    def segment(self, lines: Sequence[str]) -> list[SegmentedLine]:
        if "unsplittable" in lines:
            raise RuntimeError("a fault of segmenting")
        return [
            SegmentedLine([Segment([*map(ord, w)], []) for w in line.split()], 1, False)
            for line in lines
        ]

    def search(self, segments: Sequence[Segment]) -> list[Any]:
        words = ["".join(map(chr, segment.ids)) for segment in segments]
        self.batches.append(words)
        self.began.release()
        assert self.proceed.wait(20)
        if "bad" in words:
            raise RuntimeError("a fault of the engine")
        return [UserError("refused") if word == "no" else word for word in words]

    def join(self, line: SegmentedLine, results: Sequence[Any]) -> Translation:
        errors = [str(result) for result in results if isinstance(result, UserError)]
        if errors:
            return Translation(error=errors[0])
        text = " ".join(results).upper()
        return Translation((TranslationHypothesis(text, 0.0, 0.0, 1),))


class StubModel(Model):
    """A model from English to German whose pipelines are one stub."""

    def __init__(self, stub: StubPipeline) -> None:
        self.languages, self.max_n_best = ("en", "de"), 3
        self.pipeline = lambda n_best: stub  # type: ignore[assignment]


def model_of(translator: Any) -> Model:
    return Model(translator, TranslationOptions(return_scores=False, on_error="return"))


@contextmanager
def serving(
    *models: Model,
    limits: Limits | None = None,
    access: Access | None = None,
    batch_size: int = 64,
) -> Iterator[tuple[Api, int]]:
    """Serve models; yield the routes and the port."""
    limits = limits or Limits()
    batcher = Batcher(batch_size=batch_size, queue_tokens=limits.queue_tokens)
    api = Api(models, batcher, limits, access or Access())
    server = Server(api)
    server.config.port = 0
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield api, server.servers[0].sockets[0].getsockname()[1]
    finally:
        batcher.close()
        server.should_exit = True
        thread.join()
        assert batcher.join(10)


def ask(
    port: int,
    path: str = "/translate",
    body: Any = None,
    *,
    method: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, dict[str, str]]:
    """Send a request; return status, content and headers (names in lower case)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        sent = {"content-type": "application/json", **(headers or {})}
        connection.request(
            method or ("GET" if body is None else "POST"), path, data, sent
        )
        answer = connection.getresponse()
        content: Any = answer.read()
        if answer.headers.get_content_type() == "application/json" and content:
            content = json.loads(content)
        return answer.status, content, {k.lower(): v for k, v in answer.getheaders()}
    finally:
        connection.close()


def text_request(text: Any, **more: Any) -> dict[str, Any]:
    return {"q": text, "source": "en", "target": "de", **more}
