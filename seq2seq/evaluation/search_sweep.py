"""Sweep over beam sizes and length penalties: BLEU, length and time of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.figures import check_figure_suffix, save_figure

BEAMS = (1, 2, 3, 5, 8, 12)
PENALTIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True)
class SweepPoint:
    """Results of one beam size and length penalty.

    Attributes:
        beam_size: Beam size; 1 is greedy search.
        length_penalty: Exponent of the length that scores are divided by.
        bleu: Corpus BLEU, by the same metric as evaluate.
        length_ratio: Words of the translations by those of the references, as BLEU
            counts them.
        seconds: Time that translating took.
    """

    beam_size: int
    length_penalty: float
    bleu: float
    length_ratio: float
    seconds: float


def search_sweep(
    run: Path,
    sources: Sequence[str],
    references: Sequence[str],
    *,
    overrides: Sequence[str] = (),
    beams: Sequence[int] = BEAMS,
    penalties: Sequence[float] = PENALTIES,
    device: str = "auto",
    to: str | None = None,
) -> Iterator[SweepPoint]:
    """Translate and score with every beam size and length penalty.

    Greedy search has one hypothesis, which no penalty changes, so it is run once and
    its result stands for all penalties.

    Args:
        run: The run folder.
        sources: Source lines.
        references: Reference lines.
        overrides: Other overrides of the recipe's search section.
        beams: Beam sizes.
        penalties: Length penalties, for each beam size.
        device: Where to translate: cpu, cuda, cuda:1 or auto.
        to: The target language, of a run with several.

    Yields:
        A point for each pair, in order.

    Raises:
        UserError: If the run or an override cannot be used.
    """
    from seq2seq.metrics.sacrebleu_scores import bleu_metric
    from seq2seq.recipe import SearchOptions
    from seq2seq.translate import TranslationOptions, Translator

    translator = Translator.load(run, overrides=overrides, device=device, to=to)
    options = translator.recipe.search.model_dump()
    if options["method"] == "sample":
        raise UserError(
            "samples have no beam to sweep; leave out -o search.method=sample."
        )
    metric = bleu_metric(translator.recipe.data.target)
    for beam in beams:
        greedy: SweepPoint | None = None
        for penalty in penalties:
            if greedy is not None:
                yield replace(greedy, length_penalty=penalty)
                continue
            swept = {"beam_size": beam, "length_penalty": penalty, "num_beam_groups": 1}
            search = SearchOptions.model_validate(options | swept)
            started = time.perf_counter()
            hypotheses = translator(sources, options=TranslationOptions(search=search))
            seconds = time.perf_counter() - started
            score = metric.corpus_score(hypotheses, [list(references)])
            ratio = score.sys_len / max(score.ref_len, 1)
            point = SweepPoint(beam, penalty, score.score, ratio, seconds)
            greedy = point if beam == 1 else None
            yield point


def plot_search_sweep(points: Sequence[SweepPoint], path: Path, *, title: str) -> None:
    """Plot BLEU and length against the penalty, a line for each beam size.

    Args:
        points: The result of `search_sweep`.
        path: The figure to write: .svg, .png or .pdf.
        title: Title of the figure.

    Raises:
        UserError: If the file has another suffix or cannot be written.
    """
    check_figure_suffix(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    figure.suptitle(title, parse_math=False)
    bleu, length = figure.subplots(1, 2)
    beams = list(dict.fromkeys(point.beam_size for point in points))
    for number, beam in enumerate(beams):
        line = [point for point in points if point.beam_size == beam]
        penalties = [point.length_penalty for point in line]
        # One hue, darker for wider beams; greedy stands apart.
        shade = mpl.colormaps["viridis_r"](0.15 + 0.85 * number / len(beams))
        style = {"color": shade, "marker": "o", "markersize": 4.0}
        if beam == 1:
            style = {"color": "0.4", "linestyle": "--"}
        name = "greedy" if beam == 1 else f"beam {beam}"
        bleu.plot(penalties, [point.bleu for point in line], label=name, **style)
        length.plot(penalties, [point.length_ratio for point in line], **style)
    bleu.set_ylabel("BLEU")
    figure.legend(loc="outside right upper", frameon=False)
    length.set_ylabel("words for each word of the references")
    length.axhline(1.0, color="0.8", linewidth=0.8, zorder=0)
    for axes in (bleu, length):
        axes.set_xlabel("length penalty")
        axes.set_xticks(list(dict.fromkeys(point.length_penalty for point in points)))
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, dpi=150)
