"""BLEU over beam sizes and length penalties: a table of numbers and a picture.

Knows a run and a split of its data; not arguments or terminals.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.files import atomic_file

BEAMS = (1, 2, 3, 5, 8, 12)
PENALTIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)

KINDS = (".svg", ".png", ".pdf")


@dataclass(frozen=True)
class SweepPoint:
    """One way to search, and what it reaches.

    Attributes:
        beam_size: Hypotheses kept at each step.
        length_penalty: The exponent of the length that they are ranked by.
        bleu: The corpus's BLEU, by the same metric as evaluate.
        length_ratio: Words of the translations for each word of the references, as BLEU
            counts them.
        seconds: How long translating took.
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
) -> Iterator[SweepPoint]:
    """Translate with every beam size and length penalty, and score.

    Greedy search has one hypothesis, which no penalty changes, so it is done once and
    counts for all penalties.

    Args:
        run: The run folder.
        sources: What to translate.
        references: What it should be.
        overrides: Other keys of the search section that are to be otherwise.
        beams: Beam sizes, one after another.
        penalties: Length penalties for each of them.

    Yields:
        A cell for each pair, in order.

    Raises:
        InputError: If the run or an override cannot be used.
    """
    from seq2seq.metrics.sacrebleu_scores import bleu_metric
    from seq2seq.recipe import SearchOptions
    from seq2seq.translate import TranslationOptions, Translator

    translator = Translator.load(run, overrides=overrides)
    plain = translator.recipe.search.model_dump()
    if plain["method"] == "sample":
        raise UserError(
            "samples have no beam to sweep; leave out -o search.method=sample."
        )
    metric = bleu_metric(translator.recipe.data.target)
    for beam in beams:
        greedy: SweepPoint | None = None
        for penalty in penalties:
            if greedy is not None:
                yield SweepPoint(
                    1, penalty, greedy.bleu, greedy.length_ratio, greedy.seconds
                )
                continue
            changed = {
                "beam_size": beam,
                "length_penalty": penalty,
                "num_beam_groups": 1,
            }
            search = SearchOptions.model_validate(plain | changed)
            began = time.perf_counter()
            found = translator(sources, options=TranslationOptions(search=search))
            seconds = time.perf_counter() - began
            score = metric.corpus_score(found, [list(references)])
            ratio = score.sys_len / max(score.ref_len, 1)
            cell = SweepPoint(beam, penalty, score.score, ratio, seconds)
            greedy = cell if beam == 1 else None
            yield cell


def plot_search_sweep(cells: Sequence[SweepPoint], path: Path, *, title: str) -> None:
    """Draw BLEU and length over the penalty, a line for each beam size.

    Args:
        cells: What `search_sweep` gave.
        path: The picture to write: .svg, .png or .pdf.
        title: What stands above it.

    Raises:
        InputError: If the file has another ending or cannot be written.
    """
    check_figure_suffix(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    picture = io.BytesIO()
    # The same numbers give the same bytes: no random names, no time.
    with mpl.rc_context({"svg.hashsalt": "seq2seq"}):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        figure.suptitle(title, parse_math=False)
        bleu, length = figure.subplots(1, 2)
        beams = list(dict.fromkeys(cell.beam_size for cell in cells))
        for number, beam in enumerate(beams):
            some = [cell for cell in cells if cell.beam_size == beam]
            across = [cell.length_penalty for cell in some]
            # One hue, darker for wider beams; greedy stands apart.
            shade = mpl.colormaps["viridis_r"](0.15 + 0.85 * number / len(beams))
            look = {"color": shade, "marker": "o", "markersize": 4.0}
            if beam == 1:
                look = {"color": "0.4", "linestyle": "--"}
            name = "greedy" if beam == 1 else f"beam {beam}"
            bleu.plot(across, [cell.bleu for cell in some], label=name, **look)
            length.plot(across, [cell.length_ratio for cell in some], **look)
        bleu.set_ylabel("BLEU")
        figure.legend(loc="outside right upper", frameon=False)
        length.set_ylabel("words for each word of the references")
        length.axhline(1.0, color="0.8", linewidth=0.8, zorder=0)
        for axes in (bleu, length):
            axes.set_xlabel("length penalty")
            axes.set_xticks(list(dict.fromkeys(cell.length_penalty for cell in cells)))
            axes.spines[["top", "right"]].set_visible(False)
        no_time = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(
            picture,
            format=path.suffix[1:],
            dpi=150,
            metadata=no_time.get(path.suffix),
        )
    with atomic_file(path) as file:
        file.write(picture.getvalue())


def check_figure_suffix(path: Path) -> None:
    """Check a picture's name before minutes are spent on what it shows.

    Raises:
        InputError: If it has another ending.
    """
    if path.suffix not in KINDS:
        raise UserError(f"{path}: a picture's name must end in {', '.join(KINDS)}.")
