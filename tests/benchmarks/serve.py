"""Requests a second of `seq2seq serve`, beside the rate of `translate` itself.

    python tests/benchmarks/serve.py MODEL --engine onnx-int8 --clients 1 8 64

A closed loop of clients over raw sockets, in a process of its own whose share of the
cores is printed. One JSON line for each number of clients; `ratio` is requests a second
over the lines a second that the Translator reaches with as many threads just after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from seq2seq.data.phrasebook.corpus import phrase_pairs

TRANSLATE = """
import sys, time
from seq2seq.translate import Translator, TranslationOptions
model, engine, beam, *lines = sys.argv[1:]
overrides = [f"search.beam_size={beam}"]
translator = Translator.load(model, engine=engine, overrides=overrides)
translator(lines[:100])
started, used = time.perf_counter(), time.process_time()
translator(lines * 4)
seconds, used = time.perf_counter() - started, time.process_time() - used
print(4 * len(lines) / seconds, 1000 * used / (4 * len(lines)))
"""


class Client(asyncio.Protocol):
    """Sends a request when the answer to the one before is complete."""

    def __init__(self, requests: Iterator[bytes], seconds: list[float]) -> None:
        self.requests, self.seconds = requests, seconds
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = re.search(rb"content-length: (\d+)", head)
        if length is None or len(body) < int(length[1]):
            return
        assert head.startswith(b"HTTP/1.1 200"), self.buffer
        self.seconds.append(time.perf_counter() - self.started)
        self.buffer = b""
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if error:
            raise error


async def load(port: int, clients: int, seconds: float, lines: list[str]) -> None:
    """Ask for so long, and print what a process measures of itself."""
    requests = []
    for line in lines:
        body = json.dumps({"q": line, "source": "en", "target": "de"}).encode()
        head = f"POST /translate HTTP/1.1\r\nHost: localhost:{port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    endless = cycle(requests)
    for _ in range(clients):
        await loop.create_connection(
            lambda: Client(endless, latencies), "127.0.0.1", port
        )
    await asyncio.sleep(1)
    latencies.clear()
    used, started = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    ranked = sorted(latencies)
    result = {
        "clients": clients,
        "requests_per_second": round(len(ranked) / elapsed, 1),
        "p50_ms": round(1000 * ranked[len(ranked) // 2], 1),
        "p99_ms": round(1000 * ranked[int(0.99 * len(ranked))], 1),
        "client_cores": round((time.process_time() - used) / elapsed, 2),
    }
    print(json.dumps(result))


@contextmanager
def server(model: str, *options: str) -> Iterator[tuple[int, int]]:
    """Serve a model in a process; yield its port and its id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seq2seq", "serve", model, "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"http://.*:(\d+)/", line):
                yield int(match[1]), process.pid
                break
    finally:
        process.terminate()
        status = process.wait(10)
        assert status == 0, status


def seconds_used(pid: int) -> float:
    """Return the processor seconds of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--beam", default="5")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--batch", default="64")
    parser.add_argument("--port", type=int, help="(of the process of clients)")
    options = parser.parse_args()
    lines = [source for source, _ in phrase_pairs("test", count=500)]
    if options.port:
        asyncio.run(load(options.port, options.clients[0], options.seconds, lines))
        return
    print(json.dumps({"engine": options.engine, "load_average": os.getloadavg()}))
    served = server(
        options.model,
        *("--engine", options.engine, "--beam", options.beam, "--batch", options.batch),
    )
    results = []
    with served as (port, pid):
        for clients in options.clients:
            command = [sys.executable, __file__, options.model, "--port", str(port)]
            command += ["--clients", str(clients), "--seconds", str(options.seconds)]
            used, started = seconds_used(pid), time.perf_counter()
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            cores = (seconds_used(pid) - used) / (time.perf_counter() - started)
            result = json.loads(out.stdout)
            result["server_cores"] = round(cores, 2)
            result["cpu_ms"] = round(1000 * cores / result["requests_per_second"], 3)
            results.append(result)
    arguments = [options.model, options.engine, options.beam, *lines]
    out = subprocess.run(
        [sys.executable, "-c", TRANSLATE, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    rate, cpu = map(float, out.stdout.split())
    for result in results:
        ratio = round(result["requests_per_second"] / rate, 2)
        rates = {
            "translate_per_second": round(rate),
            "translate_cpu_ms": round(cpu, 3),
            "ratio": ratio,
        }
        print(json.dumps({**result, **rates}))


if __name__ == "__main__":
    main()
