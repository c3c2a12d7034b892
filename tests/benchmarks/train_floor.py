"""Compare training through the whole stack with bare torch, alternately.

    python tests/benchmarks/train_floor.py data/multi30k --rounds 5 --threads 2

Each round runs `seq2seq bench train` and, in a process of its own, the floor below: the
same arithmetic on the same batches by torch's layers alone, without Lightning, logging,
reading or a plan of batches. Both skip 5 warm-up steps. Prints every round and a table
of median ratios; above 1, the stack is the faster one. Nothing else may run meanwhile:
noise on a machine of two cores is 15 to 20 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

WARM_UP_STEPS = 5
SHAPES = ("none", "general", "additive")


class Floor(nn.Module):
    """The shape of recipes/bench in torch's own layers."""

    def __init__(self, kind: str, vocab_size: int) -> None:
        super().__init__()
        self.kind = kind
        self.source = nn.Embedding(vocab_size, 256)
        self.target = nn.Embedding(vocab_size, 256)
        self.encoder = nn.LSTM(
            256, 256, 2, batch_first=True, dropout=0.3, bidirectional=True
        )
        self.decoder = nn.LSTM(256, 512, 2, batch_first=True, dropout=0.3)
        self.keys = nn.Linear(512, 512, bias=False)
        self.query = nn.Linear(512, 512)
        self.energy = nn.Linear(512, 1, bias=False)
        self.readout = nn.Linear(512 if kind == "none" else 1024, 256)
        self.output = nn.Linear(256, vocab_size)
        self.dropout = nn.Dropout(0.3)

    def forward(self, batch: list[Tensor]) -> Tensor:
        """Sum the cross-entropy of real target tokens."""
        source, lengths, inputs, targets = batch
        packed = pack_padded_sequence(
            self.dropout(self.source(source)),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        states, last = self.encoder(packed)
        # (2 L, N, H) to (L, N, 2 H): both directions of a layer side by side.
        first = tuple(torch.cat([s[0::2], s[1::2]], dim=-1) for s in last)
        hidden, _ = self.decoder(self.dropout(self.target(inputs)), first)
        if self.kind != "none":
            states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
            keys = self.keys(states)
            if self.kind == "general":
                scores = hidden @ keys.transpose(1, 2) / 512**0.5
            else:
                queries = self.query(hidden)[:, :, None]
                scores = self.energy(torch.tanh(queries + keys[:, None]))[..., 0]
            scores = scores.masked_fill(source.eq(0)[:, None], float("-inf"))
            hidden = torch.cat([hidden, scores.softmax(dim=2) @ states], dim=2)
        mask = targets != 0
        features = self.dropout(torch.tanh(self.readout(self.dropout(hidden))))
        logits = self.output(features[mask])
        return nn.functional.cross_entropy(logits, targets[mask], reduction="sum")


def floor(kind: str, data: str, steps: int, threads: int) -> None:
    """Train on the very batches that the stack would take; print a line of JSON."""
    from seq2seq.data.batch_sampler import TokenBatchSampler
    from seq2seq.data.collate import collate
    from seq2seq.data.dataset import open_dataset
    from seq2seq.data.preprocessing import preprocess
    from seq2seq.recipe.loader import read_recipe

    recipe = read_recipe(f"bench/{kind}", [f"data.path={data}"])
    prepared = preprocess(recipe.data, recipe.tokenizer, lambda line: None)
    pairs = open_dataset(prepared, recipe.data)
    plan = TokenBatchSampler(*pairs.lengths(), batch_tokens=4096, seed=recipe.seed)
    planned = plan.plan_epoch(0)[:steps]
    batches = [collate(*pairs.get_pairs(batch.indices)) for batch in planned]
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Floor(kind, len(prepared.tokenizers.source))
    if kind != "additive":
        del model.query, model.energy
    if kind == "none":
        del model.keys
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for number, batch in enumerate(batches):
        if number == WARM_UP_STEPS:
            start = time.perf_counter()
        optimizer.zero_grad()
        # A batch begins with source, its lengths, inputs and targets.
        (model(list(batch[:4])) / batch.num_tokens).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    seconds = time.perf_counter() - start
    num_tokens = sum(
        int(batch.source_lengths.sum()) + batch.num_tokens
        for batch in batches[WARM_UP_STEPS:]
    )
    print(
        json.dumps(
            {
                "pieces_per_second": num_tokens / seconds,
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )
    )


def measure(command: list[str]) -> dict[str, float]:
    """Run a command and return its last line of JSON."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    figures: dict[str, float] = json.loads(lines[-1])
    return figures


def main() -> int:
    """Alternate, the order turning round every round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="the folder of Multi30k")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--floor", choices=SHAPES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor:
        floor(arguments.floor, arguments.data, arguments.steps, arguments.threads)
        return 0
    common = ["--steps", str(arguments.steps), "--threads", str(arguments.threads)]
    rows = []
    for kind in arguments.kinds:
        path = f"data.path={Path(arguments.data).resolve()}"
        stack_command = [
            sys.executable,
            "-m",
            "seq2seq",
            "bench",
            "train",
            f"bench/{kind}",
        ]
        bare = [sys.executable, __file__, arguments.data, "--floor", kind]
        commands = {
            "stack": [*stack_command, "-o", path, *common],
            "floor": [*bare, *common],
        }
        ratios, rates = [], []
        for number in range(arguments.rounds):
            order = list(commands) if number % 2 == 0 else list(reversed(commands))
            figures = {name: measure(commands[name]) for name in order}
            rate = figures["stack"]["pieces_per_second"]
            rates.append(rate)
            ratios.append(rate / figures["floor"]["pieces_per_second"])
            print(
                json.dumps({"kind": kind, "ratio": round(ratios[-1], 3), **figures}),
                flush=True,
            )
        rows.append((kind, statistics.median(rates), ratios))
    print("| attention | tokens per second | stack / floor | lowest | highest |")
    print("|---|---|---|---|---|")
    for kind, rate, ratios in rows:
        summary = (statistics.median(ratios), min(ratios), max(ratios))
        cells = [kind, f"{rate:,.0f}", *(f"{ratio:.2f}" for ratio in summary)]
        print(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
