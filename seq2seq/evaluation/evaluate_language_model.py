"""Score a language model on a text read as one stream, beside n-gram models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.baselines.ngram_language_model import Smoothing, fit_best_order
from seq2seq.metrics.language_modelling import (
    LanguageModelScores,
    language_model_scores,
)
from seq2seq.metrics.significance import compare_estimates
from seq2seq.runs.run_folder import write_json
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.language_model import LanguageModel, LanguageModelNetwork
from seq2seq.tasks.language_model_data import LanguageModelData
from seq2seq.tasks.text_vocabulary import Ids
from seq2seq.types import EOS, RNNState
from seq2seq.utils.devices import resolve_devices

WINDOW = 1024
"""Tokens that are scored at a time; the state goes on."""

_SMOOTHINGS: dict[str, Smoothing] = {
    "Kneser-Ney": "kneser_ney",
    "Witten-Bell": "witten_bell",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LanguageModelSystem:
    """A model and its scores.

    Attributes:
        name: The model.
        scores: Perplexity, nats and bits, with intervals by resampling lines.
        p_value: Of a paired test of nats a token against the network's, by lines.
    """

    name: str
    scores: LanguageModelScores
    p_value: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        names = (
            "nats_per_character",
            "bits_per_character",
            "nats_per_token",
            "perplexity",
        )
        content: dict[str, Any] = {"name": self.name, "p_value": self.p_value}
        for name in names:
            estimate = getattr(self.scores, name)
            content[name] = {
                "score": estimate.score,
                "interval": list(estimate.interval),
            }
        return content | {
            "tokens": self.scores.tokens,
            "characters": self.scores.characters,
        }


def evaluate_language_model(
    path: Path, splits: str, *, data_path: str | None = None, device: str = "auto"
) -> list[LanguageModelSystem]:
    """Score a run and n-gram models of the order that validation chooses.

    Args:
        path: The run folder.
        splits: A split, or several joined by +, such as valid+test: each is read as a
            stream of its own.
        data_path: Override of data.path, if the data has moved.
        device: Where to compute: cpu, cuda, cuda:1 or auto.

    Returns:
        The network first.

    Raises:
        UserError: If run, split or device cannot be used.
    """
    run = TaskRun.open(path)
    task = run.task
    assert isinstance(task, LanguageModel)
    data = LanguageModelData(task.recipe.with_data_path(data_path), task.vocabularies)
    streams = [data.ids(split) for split in splits.split("+")]
    (name,) = resolve_devices(device).names
    network = run.network().to(name).eval()
    units = [_line_units(task, ids) for ids in streams]
    tokens, characters = (np.concatenate(parts) for parts in zip(*units, strict=True))

    def scored(nats: list[Floats]) -> LanguageModelScores:
        parts = [_by_line(x, ids) for x, ids in zip(nats, streams, strict=True)]
        return language_model_scores(np.concatenate(parts), tokens, characters)

    systems = [
        LanguageModelSystem(
            "network", scored([token_nats(network, ids) for ids in streams])
        )
    ]
    train, valid = [data.ids("train")], [data.ids("valid")]
    for label, smoothing in _SMOOTHINGS.items():
        model = fit_best_order(
            train, valid, vocab_size=len(task.text), smoothing=smoothing
        )
        scores = scored([-model.log_probs(ids) for ids in streams])
        test = compare_estimates(
            scores.nats_per_token, systems[0].scores.nats_per_token
        )
        systems.append(
            LanguageModelSystem(
                f"{model.order}-gram, {label}", scores, test.randomization_p
            )
        )
    if run.folder.is_shared:
        return systems
    folder = run.folder.evaluation(splits.replace("+", "-"))
    folder.mkdir(parents=True, exist_ok=True)
    plain = [system.to_json() for system in systems]
    content = {
        "network": plain[0],
        "baselines": plain[1:],
        "data": {"path": Path(data.recipe.data.path).name},
    }
    write_json(folder / "scores.json", content)
    return systems


@torch.inference_mode()
def token_nats(network: LanguageModelNetwork, ids: Ids) -> Floats:
    """Return -log p of each token of a stream, (T,), the state carried throughout."""
    device = network.decoder.embedding.weight.device
    text = torch.from_numpy(ids.astype(np.int64)).to(device)
    inputs = torch.cat([text.new_tensor([EOS]), text[:-1]])
    state: RNNState | None = None
    nats = []
    for given, true in zip(inputs.split(WINDOW), text.split(WINDOW), strict=True):
        log_probs, state = network.log_probs(given[None], state)
        nats.append(-log_probs[0].gather(1, true[:, None])[:, 0].double().cpu())
    result: Floats = torch.cat(nats).numpy()
    return result


def _line_units(task: LanguageModel, ids: Ids) -> tuple[Floats, Floats]:
    """Return the tokens and the characters of each line, its end included."""
    starts = _starts(ids)
    tokens = np.diff([*starts, len(ids)]).astype(np.float64)
    lines = task.text.decode(ids).split("\n")[: len(starts)]
    return tokens, np.array([len(line) + 1.0 for line in lines])


def _by_line(nats: Floats, ids: Ids) -> Floats:
    result: Floats = np.add.reduceat(nats, _starts(ids))
    return result


def _starts(ids: Ids) -> NDArray[np.int64]:
    ends = np.flatnonzero(ids == EOS)
    return np.concatenate([[0], ends[ends < len(ids) - 1] + 1])
