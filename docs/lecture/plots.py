"""Plots of the tour, in the style of the reports."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from seq2seq.evaluation.small_multiples import svg_document
from seq2seq.evaluation.svg import plot_heatmap

END = "end"


def best_bigram_loss(text: str) -> float:
    """Return the least loss of a model that sees the character before alone, in nats.

    The first character comes after a line end.
    """
    pairs = Counter(zip("\n" + text, text, strict=False))
    before = Counter("\n" + text[:-1])
    nats = [n * math.log(before[a] / n) for (a, _), n in pairs.items()]
    return sum(nats) / len(text)


def hello(run: Path) -> str:
    """Draw the probability of every character at every step of "hello"."""
    import torch

    from seq2seq.runs.task_run import TaskRun
    from seq2seq.types import EOS

    opened = TaskRun.open(run)
    text = opened.task.text  # type: ignore[attr-defined]
    (ids,) = text.encode(["hello"])
    with torch.inference_mode():
        inputs = torch.tensor([[EOS, *ids]])
        log_probs, _ = opened.network().eval().log_probs(inputs, None)
    names = [*"helo", END]
    columns = [i for c in "helo" for i in text.encode([c])[0]] + [EOS]
    weights = log_probs[0].exp().T[columns].tolist()
    return svg_document(
        plot_heatmap(
            weights,
            ["start", *"hello"],
            names,
            alt="Probability of each character after each character of hello",
        )
    )
