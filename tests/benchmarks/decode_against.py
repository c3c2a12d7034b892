"""Compare translating with another checkout's, alternately, one process each.

    python tests/benchmarks/decode_against.py OTHER_CHECKOUT RUN FILE [--lengths 15 16]

For each engine, greedy search and beam 5, batches of 64 and one sentence at a time:
medians of sentences per second of one thread's processor time, their ratio, and the
share of translations that are equal. With `--lengths`, translations have as many
tokens (for random weights).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]

# argv: run, file, engine, lengths or nothing. Prints a line for each case.
PROGRAM = """
import json, sys, time
from dataclasses import replace
import torch
from seq2seq.benchmark.translate import FixedLengthEngine, LengthRange
from seq2seq.translate import TranslationOptions, Translator

run, file, engine, *lengths = sys.argv[1:]
torch.set_num_threads(1)
lines = open(file, encoding="utf-8").read().splitlines()
translator = Translator.load(run, engine=engine)
search = translator.recipe.search.model_copy(update={"early_stopping": True})
if lengths:
    bounds = LengthRange(*map(int, lengths))
    translator.engine = FixedLengthEngine(translator.engine, bounds)
    ratio = {"max_length_ratio": float(bounds.max_length)}
    search = search.model_copy(update=ratio)
for beam, batch in ((1, 64), (5, 64), (1, 1), (5, 1)):
    some = lines[:256] if batch > 1 else lines[:256:8]
    options = TranslationOptions(
        search=search.model_copy(update={"beam_size": beam}),
        batch_size=batch,
        return_scores=False,
    )
    translator.translate_batch(some[:batch], options)
    start = time.process_time()
    results = translator.translate_batch(some, options)
    seconds = time.process_time() - start
    texts = [result.translation for result in results]
    print(json.dumps([f"beam {beam}, batch {batch}", len(some) / seconds, texts]))
"""

Cases = dict[str, tuple[float, list[str]]]


def translate(checkout: Path, arguments: list[str]) -> Cases:
    """Run all cases in a checkout; return sentences per second and texts of each."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {case: (rate, texts) for case, rate, texts in lines}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--lengths", nargs=2, default=[])
    parser.add_argument("--engines", nargs="+", default=["torch", "onnx-int8"])
    parser.add_argument("--other-engine", help="[the same]")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    paths = [str(path.resolve()) for path in (options.run, options.file)]
    for engine in options.engines:
        sides = {
            "this": (HERE, engine),
            "other": (options.other.resolve(), options.other_engine or engine),
        }
        rounds: dict[str, list[Cases]] = {"this": [], "other": []}
        for number in range(options.rounds):
            for name in sorted(sides, reverse=bool(number % 2)):
                checkout, kind = sides[name]
                arguments = [*paths, kind, *options.lengths]
                rounds[name].append(translate(checkout, arguments))
        for case in rounds["this"][0]:
            this, other = (
                statistics.median(cases[case][0] for cases in rounds[name])
                for name in ("this", "other")
            )
            texts = [rounds[name][0][case][1] for name in ("this", "other")]
            same = sum(map(str.__eq__, *texts)) / len(texts[0])
            print(
                f"{engine:9}  {case:16}  {this:8.1f} against {other:8.1f} sentences/s: "
                f"{this / other:.2f} times, {same:.1%} equal",
                flush=True,
            )


if __name__ == "__main__":
    main()
