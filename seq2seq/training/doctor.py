"""What a recipe's training will meet: its data, one batch by heart, memory and time.

Knows recipes, prepared data, the network and clocks; not Lightning or tables. Every
finding says what was found and, where it is out of the ordinary, what to change.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.collate import collate
from seq2seq.data.dataset import ParallelDataset, open_dataset
from seq2seq.data.preprocessing import (
    Log,
    PreprocessedData,
    load_eval_pairs,
    preprocess,
    training_corpora,
)
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import DataOptions, Recipe
from seq2seq.training.initialization import load_initial_run, tokenizers_of
from seq2seq.training.optim import build_optimizer
from seq2seq.types import UNK, Batch

OVERFIT_PAIRS = 16
OVERFIT_STEPS = 100
LEARNED = 0.5  # Nats a token after that; less means that the batch is known by heart.
TIMED_BATCHES = 5
RARE = 5  # A piece that training sees less often is hardly learned.


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        what: Its name.
        found: What it is, with units.
        advice: What to change; empty where nothing need be.
    """

    what: str
    found: str
    advice: str = ""


def run_checks(recipe: Recipe, tell: Log) -> Iterator[Check]:
    """Look at a recipe's data and try its network on it.

    Args:
        recipe: What would be trained.
        tell: Is given a line while data is prepared.

    Yields:
        Findings, as soon as they are there.

    Raises:
        InputError: If the data cannot be used.
    """
    given = tokenizers_of(load_initial_run(recipe))
    prepared = preprocess(recipe.data, recipe.tokenizer, tell, tokenizers=given)
    pairs = open_dataset(prepared, recipe.data)
    options = recipe.train
    plan = TokenBatchSampler(
        *pairs.lengths(),
        batch_tokens=options.batch_tokens,
        batches_per_step=options.accumulate_grad_batches,
        seed=recipe.seed,
    )
    yield _kept(prepared, recipe.data)
    yield _lengths(plan, recipe)
    yield _padding(plan, recipe)
    yield _vocabulary(pairs, prepared, recipe)
    yield from _splits(recipe.data, prepared)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    yield _overfitting(recipe, prepared, pairs, plan, device)
    yield from _costs(recipe, prepared, pairs, plan, device)


def _kept(prepared: PreprocessedData, data: DataOptions) -> Check:
    stats = prepared.stats
    found = stats.summary(data)
    lost = stats.too_long + stats.length_ratio
    if lost > 0.05 * stats.total:
        return Check("pairs", found, "raise data.max_length or data.max_length_ratio")
    return Check("pairs", found)


def _lengths(plan: TokenBatchSampler, recipe: Recipe) -> Check:
    shown = []
    for side in (plan.source_lengths, plan.target_lengths):
        half, most, longest = np.percentile(side, (50, 95, 100)).astype(int)
        shown.append(f"{half} / {most} / {longest}")
    found = f"source {shown[0]}, target {shown[1]} pieces (median / 95 % / longest)"
    longest = int(max(plan.source_lengths.max(), plan.target_lengths.max()))
    if longest > recipe.train.batch_tokens:
        advice = f"raise train.batch_tokens to {longest}, or lower data.max_length"
        return Check("lengths", found, advice)
    return Check("lengths", found)


def _padding(plan: TokenBatchSampler, recipe: Recipe) -> Check:
    source, target = plan.padding_efficiency()
    found = (
        f"{source:.0%} of source and {target:.0%} of target positions are real, in "
        f"{plan.batches_per_epoch:,} batches an epoch"
    )
    advice = ""
    if plan.steps_per_epoch < 20:
        advice = "few steps an epoch: lower train.batch_tokens"
    elif min(source + 0.15, target) < 0.9:
        advice = "raise train.batch_tokens, or lower data.max_length_ratio"
    return Check("padding", found, advice)


def _vocabulary(
    pairs: ParallelDataset, prepared: PreprocessedData, recipe: Recipe
) -> Check:
    joint = recipe.tokenizer.joint
    sides = [pairs.source.counts(), pairs.target.counts()]
    size = len(prepared.tokenizers.source)
    counts = [np.zeros(size, dtype=np.int64) for _ in sides]
    for each, side in zip(counts, sides, strict=True):
        each[: len(side)] += side
    if joint:
        counts = [counts[0] + counts[1]]
    common = [int((each[4:] >= RARE).sum()) for each in counts]
    found = f"{min(common):,} of {size - 4:,} pieces come {RARE} times or more"
    if min(common) < 0.9 * (size - 4):
        lower = max(100, int(round(min(common), -2)))
        return Check(
            "vocabulary", found, f"lower tokenizer.vocab_size to about {lower:,}"
        )
    return Check("vocabulary", found)


def _splits(data: DataOptions, prepared: PreprocessedData) -> Iterator[Check]:
    """Look for pieces that are unknown, and for pairs that training sees as well."""
    tokenizers = prepared.tokenizers
    splits = {}
    for name in (data.splits.valid, data.splits.test):
        try:
            splits[name] = load_eval_pairs(data, name)
        except UserError as error:
            yield Check(f"split {name}", "cannot be read", str(error))
    wanted = {pair.source.strip() for pairs in splits.values() for pair in pairs}
    trained = {
        source
        for corpus in training_corpora(data)
        for pair in corpus.read()
        if (source := pair.source.strip()) in wanted
    }
    for name, pairs in splits.items():
        sides = (
            (tokenizers.source, [pair.source for pair in pairs]),
            (tokenizers.target, [pair.target for pair in pairs]),
        )
        shares = [_unknown(tokenizer.encode(lines)) for tokenizer, lines in sides]
        found = f"{shares[0]:.2%} of source, {shares[1]:.2%} of target pieces"
        high = max(shares) > 0.002
        advice = "raise tokenizer.character_coverage or vocab_size" if high else ""
        yield Check(f"unknown in {name}", found, advice)
        twice = sum(pair.source.strip() in trained for pair in pairs)
        found = f"{twice:,} of {len(pairs):,} sources are trained on"
        advice = "scores will flatter: remove them from training"
        yield Check(
            f"{name} in train", found, advice if twice > 0.01 * len(pairs) else ""
        )


def _unknown(encoded: Sequence[Sequence[int]]) -> float:
    pieces = sum(map(len, encoded))
    return sum(list(ids).count(UNK) for ids in encoded) / max(1, pieces)


class _Trial:
    """A network with its optimizer, without anything around them."""

    def __init__(
        self, recipe: Recipe, prepared: PreprocessedData, device: torch.device
    ):
        torch.manual_seed(recipe.seed)
        self.device = device
        self.clip_norm = recipe.train.clip_norm or float("inf")
        self.smoothing = recipe.train.label_smoothing
        self.network = EncoderDecoder(
            recipe.model,
            source_vocab_size=len(prepared.tokenizers.source),
            target_vocab_size=len(prepared.tokenizers.target),
        ).to(device)
        self.optimizer = build_optimizer(
            recipe.train.optimizer, self.network.parameters()
        )

    def step(self, batch: Batch) -> float:
        """Train on a batch; return its loss in nats a token."""
        batch = batch.to(self.device)
        self.optimizer.zero_grad()
        loss = self.network(batch, smoothing=self.smoothing)
        (loss.loss / batch.num_tokens).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        return float(loss.nll) / batch.num_tokens  # Waits for a GPU.


def _batch(pairs: ParallelDataset, rows: NDArray[np.int64]) -> Batch:
    return collate(*pairs.get_pairs(rows), indices=rows)


def _overfitting(
    recipe: Recipe,
    prepared: PreprocessedData,
    pairs: ParallelDataset,
    plan: TokenBatchSampler,
    device: torch.device,
) -> Check:
    """Learn one small batch by heart: whatever cannot do that learns nothing."""
    plain = {"dropout": 0.0, "word_dropout": 0.0}
    train = recipe.train.model_copy(update={"label_smoothing": 0.0})
    model = recipe.model.model_copy(update=plain)
    small = recipe.model_copy(update={"model": model, "train": train})
    trial = _Trial(small, prepared, device)
    batches = plan.plan_epoch(0)
    batch = _batch(pairs, batches[len(batches) // 2].indices[:OVERFIT_PAIRS])
    losses = [trial.step(batch) for _ in range(OVERFIT_STEPS)]
    found = (
        f"{losses[0]:.2f} to {losses[-1]:.2f} nats a token in {OVERFIT_STEPS} steps on "
        f"{len(batch.indices)} pairs"
    )
    advice = ""
    if not np.isfinite(losses).all() or losses[-1] > losses[0]:
        advice = "it diverges: lower train.optimizer.learning_rate"
    elif losses[-1] > LEARNED:
        advice = "it should be learned by heart: try another learning_rate"
    return Check("one batch by heart", found, advice)


def _costs(
    recipe: Recipe,
    prepared: PreprocessedData,
    pairs: ParallelDataset,
    plan: TokenBatchSampler,
    device: torch.device,
) -> Iterator[Check]:
    """Train on the largest batch, which comes first, and time some others."""
    trial = _Trial(recipe, prepared, device)
    planned = plan.plan_epoch(0)
    trial.step(_batch(pairs, planned[0].indices))
    yield Check("memory", f"{_peak_mib(device):,} MiB at most, on the largest batch")
    places = np.linspace(0, len(planned) - 1, min(TIMED_BATCHES, len(planned)))
    seconds, positions = 0.0, 0
    for place in places.astype(int):
        batch = _batch(pairs, planned[place].indices)
        start = time.perf_counter()
        trial.step(batch)
        seconds += time.perf_counter() - start
        positions += batch.source.numel() + batch.targets.numel()
    source, target = plan.padding_efficiency()
    whole = plan.source_lengths.sum() / source + plan.target_lengths.sum() / target
    epoch = seconds / positions * float(whole)
    train = recipe.train
    limits = [
        train.max_epochs,
        train.max_steps and train.max_steps / plan.steps_per_epoch,
    ]
    epochs = min(limit for limit in limits if limit is not None)
    found = (
        f"{epoch / 60:.1f} minutes an epoch, {epoch * epochs / 3600:.1f} hours for "
        f"{epochs:.1f} epochs, with {torch.get_num_threads()} threads"
    )
    yield Check("time", found, "not counted: validation")


def _peak_mib(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    import resource  # Not on Windows.

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)
