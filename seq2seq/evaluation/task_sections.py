"""Sections of a task's report as tables, which HTML and Markdown both show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seq2seq.evaluation.caption_figures import (
    feature_figure,
    picture_figure,
    word_figures,
)
from seq2seq.evaluation.caption_pictures import CaptionedPicture
from seq2seq.evaluation.label_errors import LabelErrors, WrongAnswer
from seq2seq.evaluation.summary import SIGNIFICANT, format_p_value
from seq2seq.evaluation.task_report import LOWER_IS_BETTER, TaskReport, TaskScore
from seq2seq.evaluation.text_samples import SAMPLE_LENGTH, TextAnalysis
from seq2seq.utils.text import with_noun

_MAX_TEXT = 300  # Characters of a text in a table; report.json has all.


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What stands in it.
        note: Smaller, below it.
        before: Before the text, which is marked then.
        after: After it, likewise.
        share: Strength of the colour behind it, 0 to 1.
        wrong: Whether that is the colour of errors.
    """

    text: str
    note: str = ""
    before: str = ""
    after: str = ""
    share: float = 0.0
    wrong: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a title and a note.

    Attributes:
        title: Title; "" for none.
        heads: Names of the columns.
        rows: The cells.
        texts: Columns of text, which come first; the others are numbers.
        note: A sentence below it.
        shaded: Whether colours behind the cells are to be compared.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    texts: int = 1
    note: str = ""
    shaded: bool = False


@dataclass(frozen=True)
class Card:
    """A caption with its picture.

    Attributes:
        title: Title.
        reference: The true caption.
        hypothesis: The network's, whose differences are marked.
        picture: SVG of the picture, or of attention over features; None without any.
        words: SVG of the attention of each word.
    """

    title: str
    reference: str
    hypothesis: str
    picture: str | None
    words: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A section of a page: tables, cards, texts with titles, a sentence."""

    anchor: str
    title: str
    tables: Sequence[Table] = ()
    cards: Sequence[Card] = ()
    passages: Sequence[tuple[str, Sequence[str]]] = ()
    note: str = ""


def summary_lines(report: TaskReport) -> Iterator[str]:
    """Summarise the scores, and how they compare with counting."""
    network, *others = report.systems
    scores = ", ".join(map(_score_text, network.scores.values()))
    yield (
        f"{network.name} has {scores}, of "
        f"{with_noun(report.examples, report.example)}; the ranges hold 95% of "
        "resampled test sets."
    )
    key, main = next(iter(network.scores.items()))
    sign = -1 if key in LOWER_IS_BETTER else 1
    compared = [system for system in others if key in system.scores]
    if compared:
        best = max(compared, key=lambda system: sign * system.scores[key].score)
        score = best.scores[key].score
        gain = sign * (main.score - score)
        verdict = "better than" if gain > 0 else "worse than" if gain else "as good as"
        test = ""
        if best.p_value is not None and gain:
            chance = "" if best.p_value < SIGNIFICANT else ", which may be chance"
            test = f" (p {format_p_value(best.p_value)}){chance}"
        yield (
            f"By {main.label} it is {verdict} the best that counting achieves, "
            f"{best.name} with {score:.{main.decimals}f}{test}."
        )
    if report.label_errors and report.label_errors.pairs:
        errors, pair = report.label_errors, report.label_errors.pairs[0]
        yield (
            f"{errors.num_wrong:,} of {with_noun(errors.num_labels, 'label')} "
            f"{'is' if errors.num_wrong == 1 else 'are'} wrong, most often "
            f"{pair.hypothesis} in place of {pair.reference} ({pair.count:,})."
        )


def sections(report: TaskReport) -> list[Section]:
    """Return the sections of a report, but for its training."""
    content = [Section("scores", "Scores", [_scores(report)])]
    if report.label_errors is not None:
        content += _label_sections(report.label_errors, report.target)
    if report.pictures:
        content.append(_pictures(report.pictures))
    if report.text is not None:
        content += _text_sections(report.text)
    return content


def _text_sections(analysis: TextAnalysis) -> Iterator[Section]:
    passages = [
        (f"Temperature {sample.temperature:g}", sample.text.split("\n"))
        for sample in analysis.samples
    ]
    note = (
        f"The first {SAMPLE_LENGTH} tokens from the start of a line, with seed 1. The "
        "temperature divides log-probabilities: the lower it is, the more often comes "
        "what is likely."
    )
    yield Section("samples", "What it writes", passages=passages, note=note)
    if not analysis.most_surprising:
        return
    kinds = {
        "The most surprising lines": analysis.most_surprising,
        "The least surprising lines": analysis.least_surprising,
    }
    systems = list(analysis.most_surprising[0].bits_per_character)
    tables = [
        Table(
            title,
            ["line", "text", *systems],
            [
                [
                    Cell(f"{line.line:,}"),
                    Cell(_cut(line.text)),
                    *(Cell(f"{line.bits_per_character[name]:.2f}") for name in systems),
                ]
                for line in lines
            ],
            texts=2,
        )
        for title, lines in kinds.items()
    ]
    note = "Bits a character, the end of the line included."
    yield Section("lines", "What surprises it", tables, note=note)


def _cut(text: str) -> str:
    return f"{text[:_MAX_TEXT]}…" if len(text) > _MAX_TEXT else text


def _pictures(pictures: Sequence[CaptionedPicture]) -> Section:
    cards = [
        Card(
            f"Picture {picture.example:,}",
            picture.reference,
            picture.hypothesis,
            picture_figure(picture) or feature_figure(picture),
            word_figures(picture),
        )
        for picture in pictures
    ]
    note = (
        "Wrong captions first. Marked: words that the reference does not have there. "
        "Struck through: words of the reference that are missing there."
    )
    if any(card.words for card in cards):
        note += (
            " For each word its attention: the brighter the picture, the larger the "
            "weight, compared with the largest of that word."
        )
    return Section("pictures", "Pictures and captions", cards=cards, note=note)


def _score_text(score: TaskScore) -> str:
    text = f"{score.label} {score.score:.{score.decimals}f}"
    return text if score.interval is None else f"{text} ({_interval(score)})"


def _interval(score: TaskScore) -> str:
    if score.interval is None:
        return ""
    low, high = (f"{end:.{score.decimals}f}" for end in score.interval)
    return f"{low} to {high}"


def _scores(report: TaskReport) -> Table:
    network = report.systems[0]
    rows = []
    for system in report.systems:
        cells = [Cell(system.name)]
        for key in network.scores:
            score = system.scores.get(key)
            if score is None:
                cells.append(Cell("–"))
            else:
                text = f"{score.score:.{score.decimals}f}"
                cells.append(Cell(text, _interval(score)))
        p_value = "" if system.p_value is None else format_p_value(system.p_value)
        rows.append([*cells, Cell(p_value)])
    labels = [score.label for score in network.scores.values()]
    unit = "squared error" if report.target == "number" else "nats"
    return Table(
        "",
        ["system", *labels, "p"],
        rows,
        note="Below each score, where it lies for 95% of 1,000 test sets resampled "
        f"from this one. p: of {labels[0]} against {network.name}, by paired "
        "approximate randomization. All but the first count, and learn nothing by "
        f"gradients. Mean loss of a {report.target}: {report.loss:.4f} {unit}.",
    )


def _label_sections(errors: LabelErrors, target: str) -> Iterator[Section]:
    if errors.classes:
        tables = []
        if errors.matrix:
            tables.append(_matrix(errors))
        elif errors.pairs:
            tables.append(_pairs(errors))
        yield Section("confusion", "What is confused", [*tables, _classes(errors)])
    if errors.answers:
        title = "Largest errors" if target == "number" else "Wrong answers"
        yield Section("wrong", title, [_answers(errors.answers, target)])


def _matrix(errors: LabelErrors) -> Table:
    rows = []
    for row, (label, counts) in enumerate(
        zip(errors.labels, errors.matrix, strict=True)
    ):
        total = max(sum(counts), 1)
        cells = [
            Cell(
                f"{count:,}" if count else "·", "", share=count / total, wrong=x != row
            )
            for x, count in enumerate(counts)
        ]
        rows.append([Cell(label), *cells])
    return Table(
        "Confusion matrix",
        ["reference", *errors.labels],
        rows,
        note="A row for each true label, a column for each answer; the colour is the "
        "share of the row.",
        shaded=True,
    )


def _pairs(errors: LabelErrors) -> Table:
    return Table(
        "Most frequent confusions",
        ["reference", "answer", "times", "share of errors"],
        [
            [
                Cell(pair.reference),
                Cell(pair.hypothesis),
                Cell(f"{pair.count:,}"),
                Cell(f"{100 * pair.count / errors.num_wrong:.1f}%"),
            ]
            for pair in errors.pairs
        ],
        texts=2,
    )


def _classes(errors: LabelErrors) -> Table:
    return Table(
        "Labels, the most frequent first",
        ["label", "references", "answers", "precision", "recall", "F1"],
        [
            [
                Cell(result.label),
                Cell(f"{result.references:,}"),
                Cell(f"{result.hypotheses:,}"),
                *(
                    Cell(f"{value:.1f}")
                    for value in (result.precision, result.recall, result.f1)
                ),
            ]
            for result in errors.classes
        ],
    )


def _answers(answers: Sequence[WrongAnswer], target: str) -> Table:
    if target == "number":
        return Table(
            "",
            ["example", "source", "reference", "answer", "error"],
            [
                [
                    Cell(f"{a.example:,}"),
                    Cell(a.source),
                    Cell(a.reference),
                    Cell(a.hypothesis),
                    Cell(f"{float(a.hypothesis) - float(a.reference):+.6g}"),
                ]
                for a in answers
            ],
            texts=2,
        )
    rows = []
    for answer in answers:
        values = answer.probabilities.items()
        note = ", ".join(f"{name} {value:.3f}" for name, value in values)
        source = Cell(_cut(answer.source), note, answer.before, answer.after)
        cells = (f"{answer.example:,}", source, answer.reference, answer.hypothesis)
        rows.append([c if isinstance(c, Cell) else Cell(c) for c in cells])
    return Table(
        "",
        ["example", "source", "reference", "answer"],
        rows,
        texts=4,
        note="Of the wrong answers those that the network is most certain of. Below "
        "each source, the probabilities of the likeliest answers and of the true one.",
    )
