"""The promises of `seq2seq serve` at full counts, each a command that prints a line.

    python tests/soak/serve.py MODEL same-text --engine onnx-int8
    python tests/soak/serve.py MODEL half-open|bulk|bounded|end|steady [--count N]

`end` needs a model with the export of its --engine; `steady` takes minutes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from seq2seq.data.phrasebook.corpus import phrase_pairs
from tests.benchmarks.serve import server

LINES = [source for source, _ in phrase_pairs("test", count=500)]


class Caller:
    """A client with a connection that is kept alive."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, q: Any) -> Any:
        body = json.dumps({"q": q, "source": "en", "target": "de"})
        sent = {"Content-Type": "application/json"}
        self.connection.request("POST", "/translate", body, sent)
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {content}")
        return content["translatedText"]


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return round(1000 * sorted(seconds)[int(share * len(seconds))], 1)


def comparison(beside: Sequence[float], alone: Sequence[float]) -> str:
    """Describe two lists of seconds."""
    return (
        f"99th percentile {percentile(beside, 0.99)} ms, alone "
        f"{percentile(alone, 0.99)}; median {percentile(beside, 0.5)}, alone "
        f"{percentile(alone, 0.5)}"
    )


def timed(port: int, count: int, pause: float = 0.0) -> list[float]:
    """Translate short lines one after another; return the seconds of each."""
    call, seconds = Caller(port), []
    for line in LINES[:count]:
        started = time.perf_counter()
        call(line)
        seconds.append(time.perf_counter() - started)
        time.sleep(pause)
    return seconds


def same_text(options: Any) -> str:
    """Compare what random groups of 64 clients get with `seq2seq translate`."""
    draw = random.Random(1)
    lines = [line for _ in range(options.count // 500 or 1) for line in LINES]
    lines = [
        f"{line} {draw.choice(LINES)}" if draw.random() < 0.2 else line
        for line in lines
    ][: options.count]
    command = [sys.executable, "-m", "seq2seq", "translate", options.model]
    command += ["--engine", options.engine]
    out = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        capture_output=True,
    )
    expected = out.stdout.splitlines()
    groups, start = [], 0
    while start < len(lines):
        size = draw.choice([1, 1, 1, 2, 3, 7, 20])
        groups.append(range(start, min(start + size, len(lines))))
        start += size
    draw.shuffle(groups)
    local = threading.local()

    def ask(group: range) -> list[str]:
        if not hasattr(local, "call"):
            local.call = Caller(port)
        texts = [lines[index] for index in group]
        return local.call(texts) if len(texts) > 1 else [local.call(texts[0])]

    served = server(options.model, "--engine", options.engine)
    with served as (port, _), ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(ask, groups))
    got = {
        i: t
        for g, ts in zip(groups, answers, strict=True)
        for i, t in zip(g, ts, strict=True)
    }
    differing = sum(got[index] != text for index, text in enumerate(expected))
    assert not differing, f"{differing} differ"
    return (
        f"{len(lines)} sentences in {len(groups)} requests of 64 clients: the same text"
    )


def half_open(options: Any) -> str:
    """Time short requests beside connections that never send a whole request."""
    with server(options.model, "--engine", options.engine) as (port, _):
        timed(port, 100)
        alone = timed(port, options.count)
        parts = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"]
        parts += [
            b"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        ]
        ending = threading.Event()
        opened: list[socket.socket] = []

        def keep_open() -> None:
            while not ending.is_set():
                with suppress(OSError):
                    opened.append(socket.create_connection(("127.0.0.1", port)))
                    opened[-1].sendall(parts[len(opened) % 4])
                if len(opened) > 200:
                    opened.pop(0).close()
                    time.sleep(0.02)

        thread = threading.Thread(target=keep_open)
        thread.start()
        while len(opened) < 200:
            time.sleep(0.01)
        beside = timed(port, options.count)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/health")
        health = connection.getresponse().status
        ending.set()
        thread.join()
    text = comparison(beside, alone)
    return f"beside 200 half-open connections: {text}; /health {health}"


def bulk(options: Any) -> str:
    """Time short requests beside a client with requests as large as they may be."""
    with server(options.model, "--engine", options.engine) as (port, _):
        timed(port, 100)
        alone = timed(port, options.count)
        ending = threading.Event()
        large = [" ".join(LINES[n : n + 100])[:5000] for n in range(100)]

        def translate_all() -> None:
            call = Caller(port)
            while not ending.is_set():
                with suppress(OSError, http.client.HTTPException):
                    call(large)

        thread = threading.Thread(target=translate_all, daemon=True)
        thread.start()
        time.sleep(1)
        beside = timed(port, options.count)
        ending.set()
    return f"beside a bulk client: {comparison(beside, alone)}"


def bounded(options: Any) -> str:
    """Send bodies that are too large, in three ways; compare the memory."""
    head = b"POST /translate HTTP/1.1\r\nHost: localhost\r\n"
    announced = head + b"Content-Length: 9000000000\r\n\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    def endless(start: bytes, part: bytes) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall(start)
            for _ in range(1600):  # 100 MiB, if it were taken.
                sender.sendall(part)

    with server(options.model, "--engine", options.engine) as (port, pid):
        timed(port, 100)
        before = resident_mib(pid)
        with ThreadPoolExecutor(16) as pool:
            for start, part in ((announced, b" " * 0x10000), (chunked, chunk)) * 8:
                pool.submit(endless, start, part)
        with ThreadPoolExecutor(16) as pool, suppress(RuntimeError):
            list(pool.map(lambda _: Caller(port)(["a" * 5001] * 200), range(64)))
        timed(port, 100)
        after = resident_mib(pid)
    assert after < before + 50
    return f"memory {before:.0f} MiB before, {after:.0f} MiB after bodies without end"


def end(options: Any) -> str:
    """Stop a server under load; what was in work is answered, and the status is 0."""
    results = [end_once(options) for _ in range(options.count)]
    slowest, answered = max(result[0] for result in results), sum(r[1] for r in results)
    return (
        f"{options.count} times: status 0, at most {slowest:.1f} s, {answered} answers"
    )


def end_once(options: Any) -> tuple[float, int]:
    """Return the seconds until the server ended, and how much it answered."""
    command = [sys.executable, "-m", "seq2seq", "serve", options.model, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--engine", options.engine], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if "http://" in line)
    port = int(line.rpartition(":")[2].split("/")[0])
    counts: list[int] = [0] * 16
    broken: list[Exception] = []

    def ask(number: int) -> None:
        call = Caller(port)
        while True:
            try:
                call.connection.connect()
            except OSError:
                return  # It does not listen any more.
            try:
                call(LINES[number::50])
                counts[number] += 1
            except (RuntimeError, OSError, http.client.HTTPException) as error:
                broken.append(error)
                return

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    started = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    status = process.wait(20)
    seconds = time.perf_counter() - started
    for thread in threads:
        thread.join()
    # Connected, but not accepted when it closed: nothing of theirs had begun.
    unanswered = [e for e in broken if not isinstance(e, ConnectionError)]
    assert status == 0, status
    assert not unanswered, unanswered
    return seconds, sum(counts)


def steady(options: Any) -> str:
    """Send many requests; compare the memory of the last tenth with the first's."""
    with server(options.model, "--engine", options.engine) as (port, pid):
        memory = []

        def ask(number: int) -> None:
            call = Caller(port)
            for line in range(options.count // 640):
                if line % 50 == 49:
                    call.connection.close()
                call(LINES[(line + number) % 500])

        for _ in range(10):
            with ThreadPoolExecutor(64) as pool:
                list(pool.map(ask, range(64)))
            memory.append(round(resident_mib(pid), 1))
        waiting = (
            subprocess.run(
                check=True,
                args=["curl", "-s", f"http://127.0.0.1:{port}/metrics"],
                capture_output=True,
                text=True,
            )
            .stdout.rpartition("seq2seq_waiting_tokens ")[2]
            .strip()
        )
    assert memory[-1] < memory[0] + 20, memory
    return f"{options.count} requests: MiB {memory}, waiting tokens {waiting}"


MODES: dict[str, tuple[Callable[[Any], str], int]] = {
    "same-text": (same_text, 2000),
    "half-open": (half_open, 500),
    "bulk": (bulk, 500),
    "bounded": (bounded, 0),
    "end": (end, 20),
    "steady": (steady, 100_000),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    mode, count = MODES[options.mode]
    options.count = options.count or count
    print(mode(options))
