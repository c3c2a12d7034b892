"""Time and memory of preparing generated corpora, each in a process of its own.

    python tests/benchmarks/train_data.py 100000 1000000 5000000

A corpus is made of random words as two files, prepared into an empty cache, and the
first batch is planned and collated. Prints a row for each size; the time a pair should
stay flat, and the peak of memory within 3 GB.
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


def write(folder: Path, pairs: int) -> None:
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
        with (folder / f"train.{language}").open("w", encoding="utf-8") as file:
            for _ in range(pairs):
                count = draw.randint(5, 25)
                chosen = draw.choices(words, cum_weights=cumulated, k=count)
                file.write(" ".join(chosen) + "\n")


def prepare_once(folder: Path) -> None:
    """Prepare, plan an epoch and make its first batch; print a line of JSON."""
    from seq2seq.data.batching import BatchPlan
    from seq2seq.data.translation import TrainBatches, open_pairs
    from seq2seq.recipe import DataOptions, TokenizerOptions
    from seq2seq.text.prepare import prepare

    start = time.perf_counter()
    data = DataOptions(path=str(folder), source="en", target="de")
    prepared = prepare(data, TokenizerOptions(vocab_size=8000), lambda line: None)
    done = time.perf_counter()
    pairs = open_pairs(prepared, data)
    plan = BatchPlan(*pairs.lengths(), batch_tokens=4096)
    next(iter(TrainBatches(pairs, plan)))
    found = {
        "kept": prepared.counts.kept,
        "preparing": done - start,
        "first_batch": time.perf_counter() - done,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))


def main(sizes: list[str]) -> int:
    """Measure each size and print a row."""
    print("| pairs | preparing, s | microseconds a pair | first batch, s | peak, MiB |")
    print("|---|---|---|---|---|")
    for size in map(int, sizes):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "corpus"
            folder.mkdir()
            write(folder, size)
            done = subprocess.run(
                [sys.executable, __file__, "--once", str(folder)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "SEQ2SEQ_CACHE": f"{name}/cache"},
            )
        found = json.loads(done.stdout.splitlines()[-1])
        cells = [
            f"{size:,}",
            f"{found['preparing']:.1f}",
            f"{found['preparing'] / size * 1e6:.0f}",
            f"{found['first_batch']:.1f}",
            f"{found['peak_mib']:,}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        prepare_once(Path(sys.argv[2]))
        sys.exit(0)
    sys.exit(main(sys.argv[1:] or ["100000", "1000000", "5000000"]))
