"""Requests and answers: LibreTranslate's fields, refusals, headers, access, limits."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from starlette.exceptions import HTTPException

from seq2seq.serve.app import EXPLAIN_COST, LOOPBACK, Access
from seq2seq.serve.libretranslate import TranslateRequest
from seq2seq.serve.limits import Limits, _parse
from seq2seq.serve.patience import HEADERS
from seq2seq.serve.server import make_access
from seq2seq.translate import Translator
from seq2seq.translate.options import Translation, TranslationHypothesis
from tests.helpers.servers import (
    StubModel,
    StubPipeline,
    ask,
    model_of,
    serving,
    text_request,
)

LINES = ["The old man buys a red car.", "A dog. A cat sleeps.", " ", "Der \ud800 Hund"]
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def port(translator: Translator) -> Iterator[int]:
    with serving(model_of(translator)) as (_, port):
        yield port


@pytest.fixture(scope="module")
def stub_port() -> Iterator[int]:
    """A server whose engine answers at once, with short deadlines and a token."""
    stub = StubPipeline()
    stub.proceed.set()
    limits = Limits(patience=1, keep_alive=0.1, connections=6, health_connections=2)
    access = Access(LOOPBACK, False, ("https://friend.example",), TOKEN)
    with serving(StubModel(stub), limits=limits, access=access) as (_, port):
        yield port


def test_the_text_is_that_of_the_translator_whatever_the_form(
    port: int, translator: Translator
) -> None:
    expected = translator(LINES)
    status, content, _ = ask(port, body=text_request(LINES))
    assert (status, content) == (200, {"translatedText": expected})
    assert ask(port, body=text_request([]))[1] == {"translatedText": []}
    text = "\r\n".join(LINES[:2]) + "\n"
    content = ask(port, body=text_request(text))[1]
    assert content == {"translatedText": "\r\n".join(expected[:2]) + "\n"}
    form = {"content-type": "application/x-www-form-urlencoded"}
    data = b"q=A+dog.+A+cat%20sleeps.&source=en&target=de"
    assert ask(port, body=data, headers=form)[1] == {"translatedText": expected[1]}
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in text_request(LINES[1]).items()
    ]
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    content = ask(port, body="".join([*parts, "--x--\r\n"]).encode(), headers=multipart)
    assert content[1] == {"translatedText": expected[1]}


def test_blank_lines_are_not_queued() -> None:
    fields = text_request("a\n\n \r\nb\n")
    request = TranslateRequest.parse(fields, [StubModel(StubPipeline())], Limits())
    assert request.lines() == ["a", "b"]
    done = [Translation((TranslationHypothesis(text, 0, 0, 1),)) for text in "AB"]
    assert request.answer(done) == {"translatedText": "A\n\n\r\nB\n"}


def test_half_a_surrogate_pair_in_a_constraint_is_no_error_of_the_server(
    port: int,
) -> None:
    for name in ("prefix", "required", "forbidden"):
        body = {"q": "A dog.", name: "\ud800"}
        assert ask(port, "/v1/explain", body)[0] in (200, 400)


def test_a_form_of_many_fields_is_not_read() -> None:
    part = '--x\r\nContent-Disposition: form-data; name="q"\r\n\r\na\r\n'
    for count in (1, 3, 4):
        body = f"{part * count}--x--".encode()
        if count < 4:
            fields = _parse(body, "multipart/form-data; boundary=x", 3)
            assert fields == {"q": "a" if count == 1 else ["a"] * 3}
            continue
        with pytest.raises(ValueError, match="no end, or more than 3 fields"):
            _parse(body, "multipart/form-data; boundary=x", 3)


def test_alternatives_are_the_n_best_list_and_auto_is_the_only_source(
    port: int, translator: Translator
) -> None:
    from seq2seq.translate import TranslationOptions

    ranked = translator.translate_batch(LINES[:1], TranslationOptions(n_best=3))[0]
    texts = [hypothesis.translation for hypothesis in ranked.n_best]
    content = ask(port, body=text_request(LINES[0], source="auto", alternatives=2))[1]
    assert content == {
        "translatedText": texts[0],
        "alternatives": texts[1:],
        "detectedLanguage": {"language": "en"},
    }


def test_languages_settings_and_health_are_those_of_libretranslate(port: int) -> None:
    languages = [
        {"code": "de", "name": "German", "targets": []},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]
    assert ask(port, "/languages")[:2] == (200, languages)
    assert ask(port, "/health")[:2] == (200, {"status": "ok"})
    settings = ask(port, "/frontend/settings")[1]
    assert settings["charLimit"] == 5000
    assert settings["language"]["source"] == {"code": "en", "name": "English"}
    assert ask(port, "/detect", {"q": "A dog."})[1][0]["language"] == "en"


BAD: dict[str, tuple[int, Any]] = {
    "no JSON": (400, b"{q: 1}"),
    "no UTF-8": (400, b'{"q": "\xff", "source": "en", "target": "de"}'),
    "no object": (400, b"[1]"),
    "deep": (400, b"[" * 200_000),
    "no q": (400, {"source": "en", "target": "de"}),
    "q a number": (400, text_request(3)),
    "q of numbers": (400, text_request(["a", 3])),
    "long": (400, text_request("a" * 5001)),
    "many": (400, text_request(["a"] * 101)),
    "language": (400, text_request("a", target="fr")),
    "no language": (400, {"q": "a", "source": "en"}),
    "alternatives": (400, text_request("a", alternatives=3)),
    "negative": (400, text_request("a", alternatives=-1)),
    "boolean": (400, text_request("a", alternatives=True)),
    "html": (400, text_request("<b>a</b>", format="html")),
    "large": (413, b" " * (2**20 + 1)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_and_harms_none_of_twenty_good_ones(
    port: int, translator: Translator, name: str
) -> None:
    status, body = BAD[name]
    bodies = [text_request(LINES[0])] * 10 + [body] + [text_request(LINES[1])] * 10
    with ThreadPoolExecutor(21) as pool:
        answers = list(pool.map(lambda body: ask(port, body=body), bodies))
    refused = answers.pop(10)
    assert refused[0] == status
    assert set(refused[1]) == {"error"}
    expected = translator(LINES[:2])
    texts = [answer[1]["translatedText"] for answer in answers]
    assert texts == [expected[0]] * 10 + [expected[1]] * 10


def test_an_explanation_has_no_wider_beam_than_ten_and_counts_as_what_it_costs() -> (
    None
):
    stub = StubModel(StubPipeline())
    options = mock.Mock()
    options.recipe.search.beam_size = 5
    stub.translator = options
    with serving(stub) as (api, port):
        status, content, _ = ask(port, "/v1/explain", {"q": "a", "beam": 11})
        assert (status, "of 1 to 10" in content["error"]) == (400, True)
        assert api._explanation({"q": "a"})[2] == 5 * EXPLAIN_COST


def test_every_status_has_the_headers(port: int, stub_port: int) -> None:
    answers = [
        ask(port, "/"),
        ask(port, "/nothing"),
        ask(port, "/translate", method="DELETE"),
        ask(port, "/../../etc/passwd"),
        *(ask(port, body=body) for _, body in list(BAD.values())[::5]),
        ask(port, "/", headers={"host": "evil.example"}),
        ask(port, "/", headers={"origin": "https://evil.example"}),
        ask(port, "/", headers={"x": "y" * 20_000}),
        ask(stub_port, "/metrics"),
        ask(stub_port, body=text_request("bad", api_key=TOKEN)),
    ]
    seen = {status for status, _, _ in answers}
    assert seen == {200, 400, 403, 404, 405, 413, 421, 431, 500}
    for _, _, headers in answers:
        for name, value in HEADERS:
            assert headers[name.decode()] == value.decode()
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def raw(port: int, data: bytes) -> bytes:
    """Send bytes; return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def test_what_is_no_http_gets_the_headers_too(stub_port: int) -> None:
    for data in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000):
        answer = raw(stub_port, data)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"content-security-policy: default-src 'none'" in answer


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1:1", "[::1]:5000", "evil.example", "", "10.0.0.1", "[::1"],
)
def test_only_names_of_this_server_are_answered(port: int, host: str) -> None:
    known = host.startswith(("localhost", "127", "[::1]"))
    assert ask(port, "/languages", headers={"host": host})[0] == (200 if known else 421)
    Access(any_address=True).check("10.0.0.1:5000", "")
    with pytest.raises(HTTPException):
        Access(any_address=True).check("evil.example", "")


def test_names_of_the_server_are_the_same_in_any_case() -> None:
    options: Any = {"origins": [], "token_file": None, "log_text": False}
    access = make_access("127.0.0.1", names=["Mine.Example"], **options)
    access.check("mine.example", "")
    access.check("MINE.example:5000", "")


def test_a_token_is_needed_where_there_is_one(stub_port: int) -> None:
    body = text_request("a")
    for wrong in ("", "0123456789abcdeF", "\u00e9"):
        assert ask(stub_port, body={**body, "api_key": wrong})[0] == 403
    assert ask(stub_port, "/metrics")[0] == 403
    assert ask(stub_port, body={**body, "api_key": TOKEN})[0] == 200
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert ask(stub_port, body=body, headers=bearer)[0] == 200
    assert ask(stub_port, "/metrics", headers=bearer)[0] == 200
    assert ask(stub_port, "/languages")[0] == 200


def test_pages_of_other_sites_may_ask_only_if_they_are_allowed(stub_port: int) -> None:
    friend = {"origin": "https://friend.example"}
    _, _, headers = ask(stub_port, "/languages", headers=friend)
    assert headers["access-control-allow-origin"] == "https://friend.example"
    assert ask(stub_port, "/translate", method="OPTIONS", headers=friend)[0] == 200
    for origin in ("https://evil.example", "null", "http://localhost", "http://["):
        status, _, headers = ask(stub_port, "/languages", headers={"origin": origin})
        assert (status, "access-control-allow-origin" in headers) == (403, False)
    own = {"origin": f"http://127.0.0.1:{stub_port}"}
    assert ask(stub_port, "/languages", headers=own)[0] == 200


def test_a_body_is_bounded_however_it_comes(stub_port: int) -> None:
    start = f"POST /translate HTTP/1.1\r\nHost: localhost:{stub_port}\r\n".encode()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    announced = start + b"Content-Length: 2000000000\r\n\r\n"
    chunked = start + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17
    assert raw(stub_port, announced).startswith(b"HTTP/1.1 413")
    assert raw(stub_port, chunked).startswith(b"HTTP/1.1 413")
    half = start + b"Content-Length: 100\r\n\r\n{"
    assert raw(stub_port, half).startswith(b"HTTP/1.1 408")


def test_health_is_answered_beside_connections_that_are_silent(stub_port: int) -> None:
    silent = []
    for number in range(30):
        silent.append(socket.create_connection(("127.0.0.1", stub_port), timeout=30))
        silent[-1].sendall(b"GET / HT"[: number % 9])
        assert ask(stub_port, "/health")[0] == 200
    for connection in silent:  # Closed by the server.
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        connection.close()
    assert ask(stub_port, "/languages")[0] == 200


def test_beyond_the_limit_of_connections_only_health_is_answered(
    stub_port: int,
) -> None:
    address = ("127.0.0.1", stub_port)
    silent = [socket.create_connection(address, timeout=30) for _ in range(6)]
    assert ask(stub_port, "/languages")[0] == 503
    assert ask(stub_port, "/health")[0] == 200
    for connection in silent:
        connection.close()


def test_too_much_that_waits_is_refused_with_a_time() -> None:
    stub = StubPipeline()
    limits = Limits(queue_tokens=10)
    with (
        serving(StubModel(stub), limits=limits) as (api, port),
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(ask, port, body=text_request("a"))
        stub.began.acquire()
        second = pool.submit(ask, port, body=text_request("b" * 100))
        while not api.batcher.waiting_tokens:
            pass
        status, _, headers = ask(port, body=text_request("c" * 100))
        assert (status, int(headers["retry-after"]) > 0) == (503, True)
        stub.proceed.set()
        assert first.result()[0] == second.result()[0] == 200


def test_who_leaves_is_not_translated() -> None:
    stub = StubPipeline()
    with (
        serving(StubModel(stub)) as (api, port),
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(ask, port, body=text_request("x"))
        stub.began.acquire()
        body = json.dumps(text_request("leaver")).encode()
        head = "POST /translate HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        leavers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for leaver in leavers:
            leaver.sendall(head.encode() + body)
        while api.batcher.waiting_tokens != 20 * 2:
            pass
        for leaver in leavers:
            leaver.close()
        while api.batcher.waiting_tokens:
            pass
        last = pool.submit(ask, port, body=text_request("z"))
        stub.proceed.set()
        assert first.result()[0] == last.result()[0] == 200
    assert stub.batches == [["x"], ["z"]]


def test_api_json_describes_every_route(port: int, translator: Translator) -> None:
    api = ask(port, "/v1/openapi.json")[1]
    described = {
        (path, method.upper())
        for path, methods in api["paths"].items()
        for method in methods
    }
    from seq2seq.serve.page import FILES

    with serving(model_of(translator)) as (served, _):
        routes = {
            (path, method)
            for path, methods in served.routes.items()
            if path not in FILES
            for method in methods
        }
    assert described == routes
    for reference in re.findall(r'"#/([\w/]+)"', json.dumps(api)):
        part = api
        for name in reference.split("/"):
            part = part[name]


def test_texts_are_logged_only_on_request(
    stub_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        ask(stub_port, body=text_request("secretword", api_key=TOKEN))
        ask(stub_port, body=text_request("bad secretword", api_key=TOKEN))
        ask(stub_port, "/v1/stream?q=secretword")
    assert "failed" in caplog.text
    assert "secretword" not in caplog.text
