"""Time to load a batch relative to the time of a training step.

    python tests/benchmarks/loading.py [RECIPE] [-o key=value ...]

Both sides in one run, turn by turn, over the first batches of an epoch.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.dataset import ParallelDataset, TrainDataLoader
from seq2seq.data.preprocessing import preprocess
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe.loader import read_recipe

BATCHES = 30


def main() -> None:
    """Measure and print medians in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="quickstart")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    recipe = read_recipe(arguments.recipe, arguments.o)
    prepared = preprocess(recipe.data, recipe.tokenizer, print)
    tokenizers = prepared.tokenizers
    pairs = ParallelDataset(prepared.path)
    plan = TokenBatchSampler(
        pairs.source.lengths + 1,
        pairs.target.lengths + 1,
        batch_tokens=recipe.train.batch_tokens,
    )
    network = EncoderDecoder(
        recipe.model,
        source_vocab_size=len(tokenizers.source),
        target_vocab_size=len(tokenizers.target),
    )
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    batches = iter(TrainDataLoader(pairs, plan))
    next(batches)  # Plans the epoch.
    seconds: dict[str, list[float]] = {"a batch": [], "a step": []}
    for _ in range(BATCHES):
        started = time.perf_counter()
        batch = next(batches)
        seconds["a batch"].append(time.perf_counter() - started)
        started = time.perf_counter()
        optimizer.zero_grad()
        network(batch).loss.backward()
        optimizer.step()
        seconds["a step"].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        share = median / medians["a step"]
        print(f"{name:<8} {1000 * median:8.2f} ms  {100 * share:6.2f}% of a step")


if __name__ == "__main__":
    main()
