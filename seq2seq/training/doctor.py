"""Checks of a recipe before training: data, overfitting one batch, memory, time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from seq2seq.data.batch_sampler import TokenBatchSampler
from seq2seq.data.corpora import SentencePair
from seq2seq.data.datamodule import TranslationDataModule
from seq2seq.data.dataset import BatchPlan, ParallelDataset
from seq2seq.data.near_duplicates import NearIndex
from seq2seq.data.overlap import compare_splits, find_overlap
from seq2seq.data.preprocessing import PreprocessedData
from seq2seq.data.splits import load_eval_pairs, pair_corpora
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe, DataOptions, Recipe
from seq2seq.tasks import open_data, open_task
from seq2seq.tasks.data import TaskData
from seq2seq.training.freezing import describe_frozen, freeze
from seq2seq.training.initial_weights import (
    describe_transfer,
    initial_vocabularies,
    load_initial_run,
)
from seq2seq.training.optim import build_optimizer
from seq2seq.training.precision import resolve_precision
from seq2seq.types import UNK, Batch
from seq2seq.utils.devices import resolve_devices
from seq2seq.utils.memory import peak_rss_mib
from seq2seq.utils.text import with_noun

OVERFIT_PAIRS = 16
OVERFIT_STEPS = 100
OVERFIT_LOSS = 0.5  # Nats a token after that; less means that it was learned.
TIMED_BATCHES = 5
RARE = 5  # A token that training sees less often is hardly learned.


class Check(NamedTuple):
    """The outcome of one check.

    Attributes:
        name: Its name.
        value: The measurement, with units.
        advice: What to change; empty if nothing.
    """

    name: str
    value: str
    advice: str = ""


def run_checks(recipe: BaseRecipe, *, device: str = "auto") -> Iterator[Check]:
    """Check a recipe's data and try its network on it.

    Args:
        recipe: The recipe.
        device: Where to try the network: cpu, cuda, cuda:1 or auto.

    Yields:
        Checks, as soon as each is done.

    Raises:
        UserError: If data or device cannot be used.
    """
    (device_name,) = resolve_devices(device).names
    recipe, _ = resolve_precision(recipe, None, device_name)
    initial_run = load_initial_run(recipe)
    data = open_data(recipe, initial_vocabularies(initial_run, recipe))
    data.setup("fit")
    task = open_task(recipe, data.vocabularies)
    if initial_run is not None:
        for line in describe_transfer(initial_run, task):
            yield Check("initial weights", line)
    network = task.network()
    freeze(network, recipe.train.freeze)
    if frozen := describe_frozen(network, recipe.train.freeze):
        yield Check("not trained", frozen)
    sampler = data.batch_sampler(recipe.train.accumulate_grad_batches)
    if isinstance(recipe, Recipe):
        assert isinstance(data, TranslationDataModule)
        yield from _check_translation(recipe, data)
    torch_device = torch.device(device_name)
    yield _check_overfitting(recipe, data, sampler, torch_device)
    yield from _check_costs(recipe, data, sampler, torch_device)


def _check_translation(recipe: Recipe, data: TranslationDataModule) -> Iterator[Check]:
    preprocessed = data.preprocessed
    sampler = data.batch_sampler(recipe.train.accumulate_grad_batches)
    yield _check_filtering(preprocessed, recipe.data)
    yield _check_lengths(sampler, recipe)
    yield _check_padding(sampler, recipe)
    yield _check_vocabulary(data.dataset, preprocessed, recipe)
    for pair in recipe.data.pairs:
        yield from _check_splits(recipe.data.for_pair(pair), preprocessed)


def _check_filtering(preprocessed: PreprocessedData, data: DataOptions) -> Check:
    stats = preprocessed.stats
    value = stats.summary(data)
    lost = stats.too_long + stats.length_ratio
    if lost > 0.05 * stats.total:
        return Check("pairs", value, "raise data.max_length or data.max_length_ratio")
    return Check("pairs", value)


def _check_lengths(sampler: TokenBatchSampler, recipe: Recipe) -> Check:
    shown = []
    for side in (sampler.source_lengths, sampler.target_lengths):
        half, most, longest = np.percentile(side, (50, 95, 100)).astype(int)
        shown.append(f"{half} / {most} / {longest}")
    value = f"source {shown[0]}, target {shown[1]} tokens (median / 95 % / longest)"
    longest = int(max(sampler.source_lengths.max(), sampler.target_lengths.max()))
    if longest > recipe.train.batch_tokens:
        advice = f"raise train.batch_tokens to {longest}, or lower data.max_length"
        return Check("lengths", value, advice)
    return Check("lengths", value)


def _check_padding(sampler: TokenBatchSampler, recipe: Recipe) -> Check:
    source, target = sampler.padding_efficiency()
    value = (
        f"{source:.0%} of source and {target:.0%} of target positions are real, in "
        f"{sampler.batches_per_epoch:,} batches an epoch"
    )
    advice = ""
    if sampler.steps_per_epoch < 20:
        advice = "few steps an epoch: lower train.batch_tokens"
    elif min(source + 0.15, target) < 0.9:
        advice = "raise train.batch_tokens, or lower data.max_length_ratio"
    return Check("padding", value, advice)


def _check_vocabulary(
    pairs: ParallelDataset, preprocessed: PreprocessedData, recipe: Recipe
) -> Check:
    joint = recipe.tokenizer.joint
    sides = [pairs.source.counts(), pairs.target.counts()]
    size = len(preprocessed.tokenizers.source)
    counts = [np.zeros(size, dtype=np.int64) for _ in sides]
    for count, side in zip(counts, sides, strict=True):
        count[: len(side)] += side
    if joint:
        counts = [counts[0] + counts[1]]
    common = [int((count[4:] >= RARE).sum()) for count in counts]
    value = f"{min(common):,} of {size - 4:,} tokens come {RARE} times or more"
    if min(common) < 0.9 * (size - 4):
        lower = max(100, int(round(min(common), -2)))
        return Check(
            "vocabulary", value, f"lower tokenizer.vocab_size to about {lower:,}"
        )
    return Check("vocabulary", value)


def _check_splits(data: DataOptions, preprocessed: PreprocessedData) -> Iterator[Check]:
    """Count unknown tokens, and pairs that are in the training data as well."""
    tokenizers = preprocessed.tokenizers
    splits = {}
    of = f" {data.source}-{data.target}" if len(data.pairs) > 1 else ""
    for split in (data.splits.valid, data.splits.test):
        name = f"{split}{of}"
        try:
            splits[name] = load_eval_pairs(data, split)
        except UserError as error:
            yield Check(f"split {name}", "cannot be read", str(error))
    for name, pairs in splits.items():
        sides = (
            (tokenizers.source, [pair.source for pair in pairs]),
            (tokenizers.target, [pair.target for pair in pairs]),
        )
        shares = [_unknown(tokenizer.encode(lines)) for tokenizer, lines in sides]
        value = f"{shares[0]:.2%} of source, {shares[1]:.2%} of target tokens"
        high = max(shares) > 0.002
        advice = "raise tokenizer.character_coverage or vocab_size" if high else ""
        yield Check(f"unknown in {name}", value, advice)
        overlap = find_overlap(name, pairs, preprocessed.path)
        advice = "scores will flatter: remove them from training"
        yield Check(
            f"{name} in train", overlap.summary(), advice if overlap.is_notable else ""
        )
    yield from _near_duplicates(splits, data)
    if len(splits) == 2:
        valid, test = splits.items()
        overlap = compare_splits(*test, *valid)
        advice = "scores will flatter: remove them from one of the two"
        name = f"{overlap.split} in {overlap.other}"
        yield Check(name, overlap.summary(), advice if overlap.is_notable else "")


def _near_duplicates(
    splits: Mapping[str, Sequence[SentencePair]], data: DataOptions
) -> Iterator[Check]:
    """Count held-out sources that are near duplicates of training sources."""
    index = NearIndex([pair.source for pairs in splits.values() for pair in pairs])
    for corpus in pair_corpora(data):
        sources = (pair.source for pair in corpus.read())
        while chunk := list(islice(sources, 20_000)):
            index.compare(chunk)
    near = iter(index.near.tolist())
    for name, pairs in splits.items():
        count = sum(islice(near, len(pairs)))
        share = count / max(1, len(pairs))
        value = f"{count:,} of {len(pairs):,} sources ({share:.1%}) are in train or "
        yield Check(f"{name} near train", f"{value}near a sentence there, 90% alike")


def _unknown(encoded: Sequence[Sequence[int]]) -> float:
    tokens = sum(map(len, encoded))
    return sum(list(ids).count(UNK) for ids in encoded) / max(1, tokens)


class _TrialRun:
    """A network and its optimizer, without a Trainer."""

    def __init__(
        self, recipe: BaseRecipe, data: TaskData, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.device = device
        self.clip_norm = recipe.train.clip_norm or float("inf")
        self.is_bfloat16 = recipe.train.precision == "bf16-mixed"
        self.task = open_task(recipe, data.vocabularies)
        self.network = self.task.network().to(device)
        freeze(self.network, recipe.train.freeze)
        self.optimizer = build_optimizer(
            recipe.train.optimizer, self.network.parameters()
        )

    def step(self, batch: Batch) -> float:
        """Train on a batch; return its loss in nats a target."""
        batch = batch.to(self.device)
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            loss, _ = self.task.loss(self.network, batch, None)
        (loss.loss / batch.num_tokens).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        return float(loss.nll) / batch.num_tokens  # Waits for a GPU.


def _check_overfitting(
    recipe: BaseRecipe, data: TaskData, sampler: BatchPlan, device: torch.device
) -> Check:
    """Overfit one small batch: a network that cannot do that learns nothing."""
    model = recipe.model
    rates = {key for key in ("dropout", "word_dropout") if hasattr(model, key)}
    model = model.model_copy(update=dict.fromkeys(rates, 0.0))
    train = recipe.train.model_copy(update={"label_smoothing": 0.0})
    small = recipe.model_copy(update={"model": model, "train": train})
    trial = _TrialRun(small, data, device)
    batches = sampler.plan_epoch(0)
    planned = batches[len(batches) // 2]
    indices = planned.indices[:OVERFIT_PAIRS]
    batch = data.train_batch(planned._replace(indices=indices, num_tokens=None))
    losses = [trial.step(batch) for _ in range(OVERFIT_STEPS)]
    value = (
        f"{losses[0]:.2f} to {losses[-1]:.2f} nats a token in {OVERFIT_STEPS} steps on "
        f"{with_noun(len(batch.indices), trial.task.example)}"
    )
    advice = ""
    if not np.isfinite(losses).all() or losses[-1] > losses[0]:
        advice = "it diverges: lower train.optimizer.learning_rate"
    elif losses[-1] > OVERFIT_LOSS:
        advice = "it should overfit: try another learning_rate"
    return Check("overfitting one batch", value, advice)


def _check_costs(
    recipe: BaseRecipe, data: TaskData, sampler: BatchPlan, device: torch.device
) -> Iterator[Check]:
    """Train on the largest batch, which comes first, and time some others."""
    trial = _TrialRun(recipe, data, device)
    plan = sampler.plan_epoch(0)
    trial.step(data.train_batch(plan[0]._replace(num_tokens=None)))
    peak = _peak_mib(device)
    shown = "not measured on this system" if peak is None else f"{peak:,} MiB at most"
    yield Check("memory", f"{shown}, on the largest batch")
    chosen = np.linspace(0, len(plan) - 1, min(TIMED_BATCHES, len(plan))).astype(int)
    seconds = 0.0
    for index in chosen:
        batch = data.train_batch(plan[index]._replace(num_tokens=None))
        start = time.perf_counter()
        trial.step(batch)
        seconds += time.perf_counter() - start
    epoch = seconds / len(chosen) * len(plan)
    train = recipe.train
    limits = [
        train.max_epochs,
        train.max_steps and train.max_steps / sampler.steps_per_epoch,
    ]
    epochs = min(limit for limit in limits if limit is not None)
    total, threads = epoch * epochs, torch.get_num_threads()
    whole = f"{total / 3600:.1f} hours" if total > 3600 else f"{total / 60:.1f} minutes"
    value = (
        f"{epoch / 60:.1f} minutes an epoch, {whole} for {epochs:.1f} epochs, with "
        f"{with_noun(threads, 'thread')} in {train.precision}"
    )
    yield Check("time", value, "not counted: validation")


def _peak_mib(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    return peak_rss_mib()
