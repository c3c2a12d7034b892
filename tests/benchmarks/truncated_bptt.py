"""Windows of truncated backpropagation through time, and its memory.

    python tests/benchmarks/truncated_bptt.py windows data/lecture/shakespeare
    python tests/benchmarks/truncated_bptt.py memory

`windows` trains a language model of characters on the same number of tokens for each
window, with the state carried or reset between windows, and reads the validation text
either as one stream or in windows that begin at zeros. Streams stay as many, so longer
windows make fewer updates. `memory` trains 100 steps on drawn texts of 1e5 to 1e7
characters, each in its own process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from seq2seq.evaluation.evaluate_language_model import token_nats
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.language_model_data import LanguageModelData
from seq2seq.training.train import train
from seq2seq.types import EOS

STREAMS = 32
RECIPE = "lecture/shakespeare"


def train_language_model(keys: list[str], folder: Path) -> TaskRun:
    """Train the recipe with overrides in a new folder, without a display."""
    train(read_recipe(RECIPE, keys), folder, console=Console(stderr=True, quiet=True))
    return TaskRun.open(folder, checkpoint="last")


@torch.inference_mode()
def windowed_nats(network: Any, ids: np.ndarray, window: int) -> float:
    """Return mean -log p of a stream read in windows that begin at zeros."""
    text = torch.from_numpy(ids.astype(np.int64))[: len(ids) // window * window]
    inputs = torch.cat([text.new_tensor([EOS]), text[:-1]]).view(-1, window)
    parts = []
    for rows, targets in zip(
        inputs.split(256), text.view(-1, window).split(256), strict=True
    ):
        log_probs, _ = network.log_probs(rows, None)
        parts.append(-log_probs.gather(2, targets[:, :, None]).flatten())
    return float(torch.cat(parts).double().mean())


def windows(path: str, sizes: list[int], tokens: int, hidden: int) -> None:
    """Print a row of nats a character for each window and way to train."""
    print("| window | state in training | read as a stream | read with resets | s |")
    print("|---|---|---|---|---|")
    for size in sizes:
        for carry in (True, False):
            steps = tokens // (STREAMS * size)
            keys = [f"data.path={path}", f"train.truncated_bptt_steps={size}"]
            keys += [f"train.carry_state={str(carry).lower()}"]
            keys += [f"train.batch_tokens={STREAMS * size}"]
            keys += [f"train.max_steps={steps}", f"train.validate_every={steps}"]
            keys += ["train.optimizer.learning_rate=2e-3", "train.precision=32-true"]
            keys += [f"model.decoder.hidden_size={hidden}"]
            with tempfile.TemporaryDirectory() as name:
                start = time.process_time()
                run = train_language_model(keys, Path(name) / "run")
                seconds = time.process_time() - start
                network = run.network().eval()
                data = LanguageModelData(run.recipe, run.task.vocabularies)
                ids = data.ids("valid")
                stream = float(token_nats(network, ids).mean())
                reset = windowed_nats(network, ids, size)
            state = "carried" if carry else "reset"
            print(
                f"| {size} | {state} | {stream:.3f} | {reset:.3f} | {seconds:.0f} |",
                flush=True,
            )


def train_on_drawn_text(characters: int) -> None:
    """Train 100 steps on a text of this length; print the peak memory as JSON."""
    with tempfile.TemporaryDirectory() as name:
        draw = random.Random(1)
        line = "".join(draw.choices("abcdefgh ", k=99)) + "\n"
        for split, length in ("train", characters), ("valid", 10_000):
            with (Path(name) / f"{split}.en").open("w") as file:
                file.writelines(line for _ in range(length // len(line)))
        keys = [f"data.path={name}", "train.max_steps=100", "train.validate_every=100"]
        keys += ["model.decoder.hidden_size=256", "train.precision=32-true"]
        train_language_model(keys, Path(name) / "run")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"characters": characters, "peak_mib": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["windows", "memory", "child"])
    parser.add_argument("path", nargs="?", default="data/lecture/shakespeare")
    parser.add_argument("--sizes", default="8,16,32,64,128")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--hidden", type=int, default=256)
    options = parser.parse_args()
    if options.what == "windows":
        sizes = [int(size) for size in options.sizes.split(",")]
        windows(options.path, sizes, options.tokens, options.hidden)
    elif options.what == "child":
        train_on_drawn_text(int(options.path))
    else:
        for characters in (10**5, 10**6, 10**7):
            command = [sys.executable, __file__, "child", str(characters)]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True
            )
            print(done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
