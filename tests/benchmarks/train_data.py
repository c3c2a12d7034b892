"""Time and memory of preprocessing generated corpora, each in its own process.

    python tests/benchmarks/train_data.py 100000 1000000 5000000

A corpus of random words is written as two files and preprocessed into an empty cache;
then one update is trained, with the base shape and 4,096 tokens. Prints a row for each
size; CPU time per pair should stay flat, and peak memory within 3 GB.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write(folder: Path, pairs: int, split: str) -> None:
    """Write sentences of 5 to 25 words, frequent words oftener, as text has them."""
    draw = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(20000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    total, cumulated = 0.0, []
    for weight in weights:
        total += weight
        cumulated.append(total)
    for language in ("en", "de"):
        with (folder / f"{split}.{language}").open("w", encoding="utf-8") as file:
            for _ in range(pairs):
                count = draw.randint(5, 25)
                chosen = draw.choices(words, cum_weights=cumulated, k=count)
                file.write(" ".join(chosen) + "\n")


def prepare_once(folder: Path) -> None:
    """Preprocess, then train for one update; print a line of JSON."""
    from rich.console import Console

    from seq2seq.data.preprocessing import preprocess
    from seq2seq.recipe.loader import read_recipe
    from seq2seq.training.train import train

    keys = [f"data.path={folder}", "data.source=en", "data.target=de"]
    keys += ["data.splits.valid=valid", "train.max_steps=1"]
    recipe = read_recipe("bench/base", keys)
    start, used = time.perf_counter(), time.process_time()
    prepared = preprocess(recipe.data, recipe.tokenizer, lambda line: None)
    done, used = time.perf_counter(), time.process_time() - used
    peak = peak_mib()
    train(recipe, folder / "run", console=Console(stderr=True))
    figures = {
        "kept": prepared.stats.kept,
        "preparing": done - start,
        "cpu_preparing": used,
        "peak_preparing_mib": peak,
        "first_update": time.perf_counter() - done,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(figures))


def peak_mib() -> int:
    """Return the peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(sizes: list[str]) -> int:
    """Measure each size and print a row."""
    head = ["pairs", "preparing, s", "processor microseconds a pair"]
    head += ["peak of preparing, MiB", "to one update, s", "peak, MiB"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for size in map(int, sizes):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "corpus"
            folder.mkdir()
            write(folder, size, "train")
            write(folder, 10, "valid")
            done = subprocess.run(
                [sys.executable, __file__, "--once", str(folder)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "SEQ2SEQ_CACHE": f"{name}/cache"},
            )
        figures = json.loads(done.stdout.splitlines()[-1])
        cells = [
            f"{size:,}",
            f"{figures['preparing']:.1f}",
            f"{figures['cpu_preparing'] / size * 1e6:.0f}",
            f"{figures['peak_preparing_mib']:,}",
            f"{figures['first_update']:.1f}",
            f"{figures['peak_mib']:,}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        prepare_once(Path(sys.argv[2]))
        sys.exit(0)
    sys.exit(main(sys.argv[1:] or ["100000", "1000000", "5000000"]))
