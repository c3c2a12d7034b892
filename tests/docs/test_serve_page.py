"""The requests of docs/serve.md get the answers that the page shows."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seq2seq.serve.limits import Limits
from seq2seq.translate import Translator
from tests.helpers.servers import model_of, serving

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text("utf-8")
CALLS = [
    (command.replace("\\\n", ""), answer.strip())
    for block, answer in re.findall(r"```sh\n(.*?)```\n((?:\n    [^\n]*)?)", TEXT, re.S)
    for command in re.findall(r"^curl (?:.*\\\n)*.*", block, re.M)
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(model_of(Translator.load("demo"))) as (_, port):
        yield port


@pytest.mark.parametrize(("command", "answer"), CALLS, ids=range(len(CALLS)))
def test_the_answers_are_those_that_are_shown(
    port: int, command: str, answer: str
) -> None:
    words = shlex.split(command.split("#")[0])
    data = "&".join(words[n + 1] for n, word in enumerate(words) if word == "-d")
    headers = {}
    if data.startswith("{"):
        headers = {"Content-Type": "application/json"}
    url = next(word for word in words if word.startswith("http"))
    request = urllib.request.Request(
        url.replace(":5000", f":{port}"),
        data.replace(" ", "+").encode()
        if data and not headers
        else data.encode() or None,
        headers,
    )
    content = urllib.request.urlopen(request, timeout=30).read().decode()
    if answer:
        assert content == answer
    elif "explain" in url:
        assert json.loads(content)["translation"].startswith("Ein")
    else:
        events = re.findall(r"^event: (\w+)$", content, re.M)
        assert events[-1] == "done"
        assert set(events[:-1]) == {"step"}


def test_the_limits_are_those_of_the_page() -> None:
    limits: Any = Limits()
    for text in (
        f"at most {limits.texts}; each at most {limits.characters:,} characters",
        f"more than {limits.body // 2**20} MiB, headers of more than "
        f"{limits.headers // 2**10} KiB",
        f"after {limits.patience:.0f} seconds",
        f"At most {limits.connections} connections; beyond that "
        f"{limits.health_connections} more",
        f"within {limits.grace:.0f} seconds",
    ):
        assert text in TEXT


def test_libretranslates_python_client_speaks_to_the_server(port: int) -> None:
    client = pytest.importorskip("libretranslatepy").LibreTranslateAPI(
        f"http://127.0.0.1:{port}"
    )
    assert client.translate("The dog sleeps.", "en", "de") == "Der Hund schläft."
    assert client.detect("The dog sleeps.")[0]["language"] == "en"
    assert {"code": "en", "name": "English", "targets": ["de"]} in client.languages()
