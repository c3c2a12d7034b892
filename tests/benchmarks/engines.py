"""Time a decoder step of each engine in turn, and print the ratios as lines of JSON.

    python tests/benchmarks/engines.py --rounds 5 --threads 2

The network has the peers' base shape and drawn weights: encoder LSTM 2 x (256 + 256),
decoder LSTM 2 x 512, embeddings 256, 8,000 tokens, general attention. A ratio above 1
says that ONNX Runtime is the faster one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from seq2seq.engines.engine import Engine, TorchEngine
from seq2seq.engines.onnx.engine import OnnxEngine
from seq2seq.engines.onnx.export import write_graphs
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import ModelOptions

ROWS = (1, 64, 320)
SOURCE_LENGTH = 16
BASE = {
    "embedding_size": 256,
    "encoder": {"cell": "lstm", "layers": 2, "hidden_size": 256, "bidirectional": True},
    "decoder": {"cell": "lstm", "layers": 2, "hidden_size": 512},
    "attention": {"kind": "general"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    options = ModelOptions.model_validate(BASE)
    network = EncoderDecoder(
        options, source_vocab_size=8000, target_vocab_size=8000
    ).eval()
    engines: dict[str, Engine] = {"torch": TorchEngine(network)}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("onnx", "onnx-int8"):
            export = Path(folder) / kind
            export.mkdir()
            write_graphs(network, export, int8=kind == "onnx-int8", fingerprint="base")
            engines[kind] = OnnxEngine(export)
        for rows in ROWS:
            rounds = [
                {name: _step(engine, rows, arguments.steps) for name, engine in turn}
                for number in range(arguments.rounds)
                for turn in [list(engines.items())[:: -1 if number % 2 else 1]]
            ]
            line: dict[str, object] = {"rows": rows, "rounds": arguments.rounds}
            for name in engines:
                times = [seconds[name] for seconds in rounds]
                line[f"{name}_ms"] = round(statistics.median(times) * 1e3, 2)
            for name in ("onnx", "onnx-int8"):
                ratios = [seconds["torch"] / seconds[name] for seconds in rounds]
                line[f"{name}_ratio"] = round(statistics.median(ratios), 2)
            print(json.dumps(line), flush=True)


@torch.inference_mode()
def _step(engine: Engine, rows: int, steps: int) -> float:
    """Return the seconds of a step, after one that warms up."""
    source = torch.randint(4, 8000, (rows, SOURCE_LENGTH))
    state, memory = engine.start(source, torch.full((rows,), SOURCE_LENGTH))
    last_tokens = torch.full((rows,), 5)
    state = engine.step(last_tokens, state, memory).state
    started = time.perf_counter()
    for _ in range(steps):
        state = engine.step(last_tokens, state, memory).state
    return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
