"""Plots of the tour, in the style of the reports."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.patches import Rectangle

from seq2seq.evaluation.small_multiples import PanelRow, plot_panels, svg_document
from seq2seq.evaluation.svg import LINE, MUTED, PAPER, SERIES, open_figure

LIMITS = (1e-12, 1e8)


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

    opened: Any = TaskRun.open(run)
    encode = opened.task.text.encode
    (ids,) = encode(["hello"])
    with torch.inference_mode():
        inputs = torch.tensor([[EOS, *ids]])
        log_probs, _ = opened.network().eval().log_probs(inputs, None)
    rows = [*encode([*"helo"]), [EOS]]
    shares = log_probs[0].exp().T[[row[0] for row in rows]].tolist()
    alt = "Probability of each character after each character of hello"
    with open_figure(alt, size=(3.6, 2.4)) as (_, axes, svg):
        for y, line in enumerate(shares):
            for x, share in enumerate(line):
                axes.add_patch(_square(x, y, share))
                colour = PAPER if share > 0.5 else MUTED
                text = f"{share:.3f}"
                axes.text(x, y, text, ha="center", va="center", color=colour, size=7)
        axes.set_xlim(-0.5, 5.5)
        axes.set_ylim(4.5, -0.5)
        axes.set_xticks(range(6), ["start", *"hello"])
        axes.set_yticks(range(5), [*"helo", "end"])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return svg_document(svg())


def gradients(flows: Sequence[Any], names: Sequence[str], ylabel: str, alt: str) -> str:
    """Draw norms of `seq2seq diagnose gradients --json`, a panel for each input scale.

    Args:
        flows: What it printed.
        names: The lines, as `flow_name` calls them.
        ylabel: Label of the vertical axis.
        alt: Text for readers who do not see the figure.
    """
    scales = sorted({flow["input_scale"] for flow in flows})
    named = {(flow_name(flow), flow["input_scale"]): flow for flow in flows}
    panels = [[_norms(named[name, scale]) for name in names] for scale in scales]
    titles = [f"inputs of standard deviation {scale:g}" for scale in scales]
    return svg_document(
        plot_panels(
            [PanelRow(ylabel, names, panels)],
            titles,
            xlabel="steps back from the loss",
            limits=LIMITS,
            alt=alt,
        )
    )


def flow_name(flow: Any) -> str:
    """Name a layer of `seq2seq diagnose gradients --json`."""
    name = {"rnn": "tanh", "lstm": "LSTM", "gru": "GRU"}[flow["cell"]]
    if flow["chrono_span"]:
        name += f", chrono {flow['chrono_span']}"
    if flow["singular_value"] != 1:
        name += f", W times {flow['singular_value']:g}"
    return name


def norm(flows: Sequence[Any], name: str, input_scale: float, back: int) -> float:
    """Return a norm of `seq2seq diagnose gradients --json`."""
    for flow in flows:
        if flow_name(flow) == name and flow["input_scale"] == input_scale:
            return float(_norms(flow)[back])
    raise KeyError(name)


def attention(run: Path, number: int) -> str:
    """Draw where a captioner's attention is for each word of a test picture's caption.

    Args:
        run: The run folder.
        number: Index of the picture in the test split.
    """
    import torch

    from seq2seq.data.drawn_shapes import shape_pictures
    from seq2seq.runs.task_run import TaskRun
    from seq2seq.types import BOS, Batch

    opened: Any = TaskRun.open(run)
    pixels, captions = shape_pictures("test")
    picture, caption = pixels[number], captions[number]
    (ids,) = opened.task.tokenizer.encode([caption])
    batch = Batch(
        source=torch.from_numpy(picture)[None],
        source_lengths=torch.tensor([1]),
        inputs=torch.tensor([[BOS, *ids]]),
        targets=torch.tensor([[*ids, 0]]),
        indices=torch.tensor([0]),
        num_tokens=len(ids),
    )
    with torch.inference_mode():
        output = opened.network().eval().forward_decoder(batch)
    weights = output.attention[0, :-1]  # (T, P)
    side = math.isqrt(weights.shape[1])
    width = 8 / side
    words = _by_word(caption, [opened.task.tokenizer.decode([[i]])[0] for i in ids])
    alt = f"Attention over a picture for each word of: {caption}"
    with open_figure(alt, size=(1.15 * (len(words) + 1), 1.5)) as (figure, whole, svg):
        whole.remove()
        for axes, (word, steps) in zip(
            figure.subplots(1, len(words) + 1), [("", []), *words], strict=True
        ):
            axes.set_facecolor(PAPER)
            _draw_pixels(axes, picture)
            if steps:
                share = weights[steps].mean(dim=0)
                for position, value in enumerate((share / share.max()).tolist()):
                    y, x = divmod(position, side)
                    corner = (x * width - 0.48, y * width - 0.48)
                    extent = width - 0.04
                    axes.add_patch(
                        Rectangle(
                            corner,
                            extent,
                            extent,
                            facecolor=SERIES[3],
                            alpha=0.6 * value,
                            lw=0,
                        )
                    )
            axes.set_title(word or "the picture", fontsize=9)
            axes.set_xlim(-0.5, 7.5)
            axes.set_ylim(7.5, -0.5)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_aspect("equal")
            for spine in axes.spines.values():
                spine.set_visible(True)
                spine.set_color(LINE)
        return svg_document(svg())


def known_words(lines: Sequence[str]) -> float:
    """Return the percentage of words that the phrasebook's training text has."""
    from seq2seq.data.phrasebook.corpus import phrase_pairs
    from seq2seq.tasks.language_model_data import PHRASEBOOK_LINES

    pairs = phrase_pairs("train", count=PHRASEBOOK_LINES["train"])
    known = {word for _, german in pairs for word in german.split()}
    words = [word for line in lines for word in line.split()]
    return 100 * sum(word in known for word in words) / len(words)


def _draw_pixels(axes: Any, picture: Any) -> None:
    """Draw the coloured pixels of a picture; four sides of a position are 4 pixels."""
    colours = {
        (220, 40, 40): SERIES[4],
        (40, 160, 60): SERIES[2],
        (40, 80, 220): SERIES[0],
        (230, 200, 40): SERIES[5],
        (20, 20, 20): MUTED,
    }
    for y, row in enumerate(picture.transpose(1, 2, 0).tolist()):
        x = 0
        for pixel, run in groupby(row, key=tuple):
            width = len(list(run))
            if colour := colours.get(pixel):
                corner = (x / 4 - 0.5, y / 4 - 0.5)
                axes.add_patch(
                    Rectangle(
                        corner, width / 4, 0.25, facecolor=colour, edgecolor=colour
                    )
                )
            x += width


def _by_word(caption: str, pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return the words of a caption with the indices of their pieces."""
    words: list[tuple[str, list[int]]] = []
    left = caption.split()
    text = ""
    steps: list[int] = []
    for index, piece in enumerate(pieces):
        text += piece.strip()
        steps.append(index)
        if left and text == left[0]:
            words.append((left.pop(0), steps))
            text, steps = "", []
    return words


def _norms(flow: Any) -> list[float]:
    norms: list[float] = flow["cell_norms"] or flow["hidden_norms"]
    return norms


def _square(x: float, y: float, share: float, number: int = 0) -> Any:
    corner = (x - 0.48, y - 0.48)
    colour = SERIES[number]
    return Rectangle(corner, 0.96, 0.96, facecolor=colour, alpha=share, lw=0)
