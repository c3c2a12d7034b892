"""The figures of a search: trials over time, value by key, importances."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from seq2seq.evaluation.svg import MUTED, PAPER, SERIES, open_figure
from seq2seq.tuning.results import SearchResult, TrialRow
from seq2seq.tuning.run_table import short_names


def trials_figure(result: SearchResult) -> str:
    """Draw the value of each trial, and the best one so far."""
    better = min if result.minimize else max
    alt = f"{_label(result)} of the trials of {result.name}"
    with open_figure(alt, size=(7.0, 2.8)) as (_, axes, svg):
        best: list[tuple[int, float]] = []
        for row in result.trials:
            if row.value is None:
                axes.plot(
                    [row.number],
                    [0.03],
                    "x",
                    color=MUTED,
                    ms=4,
                    transform=axes.get_xaxis_transform(),
                )
                continue
            _mark(axes, row.number, row, result)
            best.append((row.number, better([row.value, *(v for _, v in best[-1:])])))
        axes.step(*zip(*best, strict=True), where="post", color=SERIES[0], alpha=0.5)
        axes.set_xlabel("trial (crosses: pruned or failed)")
        axes.set_ylabel(_label(result))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(True, axis="y")
        _fit(axes, result)
        return svg()


def keys_figure(result: SearchResult) -> str:
    """Draw the value by each key, in small multiples on one scale."""
    columns = min(3, len(result.keys))
    rows = -(-len(result.keys) // columns)
    alt = f"{_label(result)} by the keys that varied in {result.name}"
    size = (0.6 + 2.4 * columns, 0.3 + 2.0 * rows)
    with open_figure(alt, size=size) as (figure, whole, svg):
        whole.remove()
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes in grid[len(result.keys) :]:
            axes.remove()
        names = short_names(result.keys)
        for key, name, axes in zip(result.keys, names, grid, strict=False):
            finished = [row for row in result.trials if row.value is not None]
            positions = _positions(axes, [row.values[key] for row in finished])
            for x, row in zip(positions, finished, strict=True):
                _mark(axes, x, row, result)
            if key in result.logarithmic:
                axes.set_xscale("log")
                axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
            axes.margins(x=0.07)
            axes.set_xlabel(name)
            axes.grid(True, axis="y")
            _fit(axes, result)
        for row_number in range(rows):
            grid[row_number * columns].set_ylabel(_label(result))
        return svg()


def importances_figure(result: SearchResult) -> str:
    """Draw the importance of each key as a bar."""
    keys = list(result.importances)[::-1]
    alt = f"Importance of the keys that varied in {result.name}"
    with open_figure(alt, size=(5.0, 0.7 + 0.28 * len(keys))) as (_, axes, svg):
        axes.barh(keys, [result.importances[key] for key in keys], color=SERIES[0])
        axes.set_xlabel("importance")
        axes.grid(True, axis="x")
        return svg()


def _positions(axes: object, texts: Sequence[str]) -> list[float]:
    """Return where values stand: numbers on a scale, others side by side."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        choices = sorted(set(texts))
        axes.set_xticks(range(len(choices)), [text[:12] for text in choices])  # type: ignore[attr-defined]
        axes.set_xlim(-0.5, len(choices) - 0.5)  # type: ignore[attr-defined]
        return [float(choices.index(text)) for text in texts]


def _mark(axes: object, x: float, row: TrialRow, result: SearchResult) -> None:
    """Draw a trial: the winner filled, the recipe as it was a square."""
    colour = SERIES[1] if row.number == result.winner else SERIES[0]
    axes.plot(  # type: ignore[attr-defined]
        [x],
        [row.value],
        "s" if row.number == result.base else "o",
        color=colour,
        markerfacecolor=colour if row.number == result.winner else PAPER,
        ms=6 if row.number in (result.winner, result.base) else 4,
    )


def _fit(axes: object, result: SearchResult) -> None:
    """Leave outliers outside: a diverged trial would press the others together."""
    values = sorted(row.value for row in result.trials if row.value is not None)
    if not result.minimize:
        values = values[::-1]
    middle = abs(values[len(values) // 2] - values[0])
    shown = [value for value in values if abs(value - values[0]) <= 6 * middle]
    low, high = min(shown), max(shown)
    margin = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)  # type: ignore[attr-defined]


def _label(result: SearchResult) -> str:
    name = result.metric.removeprefix("valid_").replace("_", " ")
    return f"validation {'BLEU' if name == 'bleu' else name}"
