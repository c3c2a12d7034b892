"""Tokens a second and share of peak on one GPU. Not run yet: no GPU was at hand.

    python tests/benchmarks/train_gpu.py data/multi30k --peak-fp32 67 --peak-bf16 990

For each shape (the base shape, and four layers of 1,000 LSTM cells as Sutskever et al.
2014, section 3.4) and each precision (fp32, tf32, bf16) it alternates `seq2seq bench
train` with the bare cuDNN floor: the same two LSTM stacks and the projection by torch
alone. The share of peak counts 6 operations for each parameter in a matrix and each
sentence position, of which a source and a target token make one; give the GPU's dense
peaks in TFLOP/s.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

WARM_UP_STEPS = 5
LAYERS = "{cell: lstm, layers: %d, hidden_size: %d}"
SHAPES = {"base": (256, 2, 512), "4x1000": (1000, 4, 1000)}
PRECISIONS = ("fp32", "tf32", "bf16")


def overrides(shape: str, precision: str, tokens: int) -> list[str]:
    """List the overrides of bench/base."""
    size, layers, hidden = SHAPES[shape]
    # Named in any case: auto would choose bf16-mixed on most GPUs.
    numbers = "bf16-mixed" if precision == "bf16" else "32-true"
    keys = [f"train.batch_tokens={tokens}", f"train.precision={numbers}"]
    if shape == "4x1000":
        keys += [
            f"model.embedding_size={size}",
            f"model.encoder={{cell: lstm, layers: {layers}, hidden_size: {hidden}, "
            "bidirectional: false, reverse_source: true}",
            f"model.decoder={LAYERS % (layers, hidden)}",
        ]
    return keys


def environment(precision: str) -> dict[str, str]:
    """Allow tf32 or forbid it, in cuBLAS and cuDNN alike."""
    allowed = "1" if precision == "tf32" else "0"
    return {**os.environ, "NVIDIA_TF32_OVERRIDE": allowed} | (
        {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"} if precision == "tf32" else {}
    )


def floor(shape: str, precision: str, tokens: int, steps: int) -> None:
    """Train both stacks on random tokens of one length; print a line of JSON."""
    size, layers, hidden = SHAPES[shape]
    base = shape == "base"
    device, length, vocab_size = torch.device("cuda"), 16, 8000
    sentences = tokens // length
    model = nn.ModuleDict(
        {
            "source": nn.Embedding(vocab_size, size),
            "target": nn.Embedding(vocab_size, size),
            "encoder": nn.LSTM(
                size, hidden // (1 + base), layers, batch_first=True, bidirectional=base
            ),
            "decoder": nn.LSTM(size, hidden, layers, batch_first=True),
            "readout": nn.Linear(hidden, size),
            "output": nn.Linear(size, vocab_size),
        }
    ).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for step in range(steps):
        if step == WARM_UP_STEPS:
            torch.cuda.synchronize()
            start = time.perf_counter()
        drawn = torch.randint(4, vocab_size, (2, sentences, length), device=device)
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            states, _ = model["encoder"](model["source"](drawn[0]))
            inputs = model["target"](drawn[1]) + 0 * states.mean()
            features = torch.tanh(model["readout"](model["decoder"](inputs)[0]))
            logits = model["output"](features).flatten(0, 1)
            loss = nn.functional.cross_entropy(logits, drawn[1].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    num_tokens = 2 * tokens * (steps - WARM_UP_STEPS)
    print(json.dumps({"pieces_per_second": num_tokens / seconds}))


def measure(command: list[str], variables: dict[str, str]) -> dict[str, Any]:
    """Run a command and return its last line of JSON."""
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=variables
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def main() -> int:
    """Alternate, the order turning round every round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="the folder of Multi30k")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=16_384)
    for name in PRECISIONS:
        parser.add_argument(f"--peak-{name}", type=float, help="TFLOP/s", default=None)
    parser.add_argument("--floor", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch finds no GPU here; nothing was measured.", file=sys.stderr)
        return 1
    if arguments.floor:
        floor(*arguments.floor, arguments.tokens, arguments.steps)
        return 0
    print("| shape | precision | tokens per second | share of peak | stack / floor |")
    print("|---|---|---|---|---|")
    for shape in SHAPES:
        for precision in PRECISIONS:
            stack_command = [
                sys.executable,
                "-m",
                "seq2seq",
                "bench",
                "train",
                "bench/base",
            ]
            stack_command += ["--device", "cuda", "--steps", str(arguments.steps)]
            path = f"data.path={Path(arguments.data).resolve()}"
            for change in (path, *overrides(shape, precision, arguments.tokens)):
                stack_command += ["-o", change]
            bare = [
                sys.executable,
                __file__,
                arguments.data,
                "--steps",
                str(arguments.steps),
            ]
            bare += ["--tokens", str(arguments.tokens), "--floor", shape, precision]
            lines, ratios = [], []
            for number in range(arguments.rounds):
                order = (
                    [stack_command, bare] if number % 2 == 0 else [bare, stack_command]
                )
                figures = [measure(run, environment(precision)) for run in order]
                stack, bare_floor = figures if number % 2 == 0 else reversed(figures)
                lines.append(stack)
                rates = [line["pieces_per_second"] for line in (stack, bare_floor)]
                ratios.append(rates[0] / rates[1])
            rate = statistics.median(line["pieces_per_second"] for line in lines)
            peak = getattr(arguments, f"peak_{precision}")
            size = SHAPES[shape][0]
            # Tables are looked up and not multiplied; half of the rest is each side's.
            matrices = lines[0]["parameters"] - 2 * 8000 * size
            share = f"{3 * matrices * rate / peak / 1e12:.1%}" if peak else "unknown"
            cells = [shape, precision, f"{rate:,.0f}", share]
            print(f"| {' | '.join(cells)} | {statistics.median(ratios):.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
