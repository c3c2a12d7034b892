"""Time the searches on a run against plain loops, both sides in turn in one process.

    python tests/benchmarks/search.py RUN FILE [--batch 64] [--beam 5] [--rounds 5]

FILE holds source lines; encoding them is not timed. A plain loop is what one writes
first: every sentence stays until the last has ended, a beam has its own copy of what
attention reads, and its candidates are all pieces of all beams. Prints a line for
greedy search and one for the beam: medians in sentences a second, the ratio, and the
share of sentences for which both say the same.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.data.dataset import validation_batches
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.greedy_search import greedy_search
from seq2seq.translate import Translator
from seq2seq.types import BOS, EOS, PAD, DecoderState, Memory
from seq2seq.utils.files import read_lines


class Start(NamedTuple):
    """Where the search of a batch starts."""

    state: DecoderState
    memory: Memory
    source_lengths: Tensor


Pieces = list[tuple[int, ...]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lines", type=int, default=256)
    chosen = parser.parse_args()
    translator = Translator.load(chosen.run)
    network, options = translator.network, translator.recipe.search
    lines = list(read_lines(chosen.file))[: chosen.lines]
    encoded = sorted(filter(None, translator.source.encode(lines)), key=len)
    with torch.inference_mode():
        starts = []
        for first in range(0, len(encoded), chosen.batch):
            some = encoded[first : first + chosen.batch]
            for batch in validation_batches(
                some, [[] for _ in some], batch_tokens=10**9
            ):
                read = network.encoder(batch.source, batch.source_lengths)
                starts.append(Start(*network.init_decoder(read), batch.source_lengths))
        for size in (1, chosen.beam):
            search = options.model_copy(update={"beam_size": size})
            print(json.dumps(_compare(network, starts, search, chosen.rounds)))


def _compare(
    network: EncoderDecoder, starts: list[Start], options: SearchOptions, rounds: int
) -> dict[str, float]:
    """Run both sides in turn."""
    plain = _plain_greedy if options.beam_size == 1 else _plain_beam
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    found: dict[str, Pieces] = {}
    for _ in range(rounds):
        for name, search in (("ours", _ours), ("plain", plain)):
            began = time.perf_counter()
            found[name] = [p for one in starts for p in search(network, one, options)]
            times[name].append(time.perf_counter() - began)
    ours, theirs = found["ours"], found["plain"]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    ratios = [p / o for o, p in zip(times["ours"], times["plain"], strict=True)]
    speed = {
        name: len(ours) / statistics.median(taken) for name, taken in times.items()
    }
    return {
        "beam_size": options.beam_size,
        "sentences": len(ours),
        "mean_pieces": round(sum(map(len, ours)) / len(ours), 1),
        "ours_sentences_per_second": round(speed["ours"], 1),
        "plain_sentences_per_second": round(speed["plain"], 1),
        "ratio": round(statistics.median(ratios), 2),
        "same": round(same / len(ours), 3),
    }


def _ours(network: EncoderDecoder, one: Start, options: SearchOptions) -> Pieces:
    demands = DecodingConstraints.from_length_ratio(one.source_lengths, options)
    asked = (network.step, one.state, one.memory, demands, options)
    if options.beam_size == 1:
        return [h.tokens for h in greedy_search(*asked)]
    return [best.tokens for (best,) in beam_search(*asked)]


def _plain_greedy(
    network: EncoderDecoder, one: Start, options: SearchOptions
) -> Pieces:
    limits = DecodingConstraints.from_length_ratio(
        one.source_lengths, options
    ).max_lengths
    state = one.state
    last = torch.full_like(limits, BOS)
    said, ended = [], torch.zeros_like(limits, dtype=torch.bool)
    for length in range(int(limits.max()) + 1):
        step = network.step(last, state, one.memory)
        state = step.state
        step.log_probs[:, [PAD, BOS]] = -math.inf
        last = step.log_probs.argmax(dim=1)
        ended |= (last == EOS) | (limits <= length)
        said.append(last.masked_fill(ended, PAD))
        if bool(ended.all()):
            break
    rows = torch.stack(said, dim=1).tolist()
    return [tuple(piece for piece in row if piece != PAD) for row in rows]


def _plain_beam(network: EncoderDecoder, one: Start, options: SearchOptions) -> Pieces:
    size = options.beam_size
    limits: list[int] = DecodingConstraints.from_length_ratio(
        one.source_lengths, options
    ).max_lengths.tolist()
    count = len(limits)
    rows = torch.arange(count).repeat_interleave(size)
    state, memory = one.state.select(rows), one.memory.select(rows)
    last = torch.full((count * size,), BOS)
    totals = torch.full((count, size), -math.inf)
    totals[:, 0] = 0.0
    history = last[:, None][:, :0]
    finished: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in limits]
    over = [False] * count
    for length in range(max(limits) + 1):
        step = network.step(last, state, memory)
        step.log_probs[:, [PAD, BOS]] = -math.inf
        vocabulary = step.log_probs.shape[1]
        joined = totals[..., None] + step.log_probs.view(count, size, vocabulary)
        best, places = joined.flatten(1).topk(2 * size, dim=1)
        keep: list[list[int]] = []
        for n, (values, spots) in enumerate(
            zip(best.tolist(), places.tolist(), strict=True)
        ):
            going = []
            for rank, (value, place) in enumerate(zip(values, spots, strict=True)):
                beam, piece = divmod(place, vocabulary)
                if piece != EOS:
                    going.append(rank)
                elif rank < size and not over[n]:
                    pieces = tuple(history[n * size + beam].tolist())
                    score = value / (length + 1) ** options.length_penalty
                    finished[n].append((score, pieces))
            keep.append(going[:size])
            over[n] |= len(finished[n]) >= size
            if length >= limits[n] and not over[n]:
                over[n] = True
                if not finished[n]:
                    finished[n].append((0.0, tuple(history[n * size].tolist())))
        if all(over):
            break
        kept = torch.tensor(keep)
        totals, chosen = best.gather(1, kept), places.gather(1, kept)
        beams = torch.arange(count)[:, None] * size + chosen // vocabulary
        rows, last = beams.flatten(), (chosen % vocabulary).flatten()
        history = torch.cat([history[rows], last[:, None]], dim=1)
        state, memory = step.state.select(rows), memory.select(rows)
    return [max(some)[1] for some in finished]


if __name__ == "__main__":
    main()
