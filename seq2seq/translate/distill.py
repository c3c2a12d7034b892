"""Sequence-level distillation: a corpus to learn from, of what trained runs say.

Knows a translator, training pairs and the file to make; not arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.data.corpora import SentencePair
from seq2seq.data.preprocessing import training_corpora
from seq2seq.errors import UserError
from seq2seq.metrics.pairwise import bleu_utility
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.translate.translate_file import Throughput

SEPARATORS = str.maketrans(dict.fromkeys("\t\n\r", " "))


class DistillationResult(NamedTuple):
    """What was written.

    Attributes:
        file: A corpus, a pair a line.
        pairs: How many.
        blank: Pairs that were left out, since a side is blank.
    """

    file: Path
    pairs: int
    blank: int


def distill(
    translator: Translator,
    folder: Path,
    *,
    job: dict[str, Any],
    nearest: bool = False,
    data_path: str | None = None,
) -> DistillationResult:
    """Translate the training pairs and write what comes of it as a corpus.

    A process that is killed leaves what is done beside the file, and the same call
    continues it.

    Args:
        translator: The teacher, or several that decide together.
        folder: Where to write train.SOURCE-TARGET.tsv; made if it is missing.
        job: What decides on the text: only the same one is continued.
        nearest: Of a sentence's hypotheses, as many as the beam is wide, take the one
            that has the highest BLEU against its reference (Kim and Rush 2016, section
            3.3), not the likeliest (section 3.2).
        data_path: Where the data is, if not where it was.

    Raises:
        InputError: If the file is there already, the data cannot be read, there are no
            pairs, or the file cannot be written.
    """
    data = translator.recipe.data
    if data_path is not None:
        data = data.model_copy(update={"path": data_path})
    name = f"{data.splits.train}.{data.source}-{data.target}.tsv"
    file = folder / name
    if file.exists():
        raise UserError(
            f"{file} is there already. Name another folder, or remove it first."
        )
    search = translator.recipe.search
    options = TranslationOptions(
        n_best=search.beam_size if nearest else 1, scored=False
    )
    counted = [0, 0]  # Pairs, blank ones.
    corpora = training_corpora(data)
    pairs = _whole((pair for each in corpora for pair in each.read()), counted)
    first = next(pairs, None)
    if first is None:
        raise UserError(f"{corpora[0].name} has no sentence pairs; add some.")
    folder.mkdir(parents=True, exist_ok=True)
    progress = Throughput(sys.stderr)
    with ResumableOutput(
        [file], job={**job, "nearest": nearest}, resume=True
    ) as journal:
        try:
            for window in read_buffers(
                chain([first], pairs),
                characters=lambda pair: len(pair.source),
                largest=options.window,
                first=options.window,
            ):
                done = journal.skip_done(["\t".join(pair) for pair in window])
                if done == len(window):
                    continue
                found = translator.translate_batch(
                    [pair.source for pair in window], options
                )
                lines = [
                    f"{pair.source}\t{_chosen(each, pair.target, data.target)}"
                    for pair, each in zip(window[done:], found[done:], strict=True)
                ]
                journal.append([lines])
                progress.show(counted[0], counted[0] - journal.done.lines)
        finally:
            progress.end()
        journal.commit()
    return DistillationResult(file, *counted)


def _whole(pairs: Iterable[SentencePair], counted: list[int]) -> Iterator[SentencePair]:
    """Leave out pairs with a blank side; both sides are on one line."""
    for pair in pairs:
        if not pair.source.strip() or not pair.target.strip():
            counted[1] += 1
            continue
        counted[0] += 1
        yield SentencePair(*(side.translate(SEPARATORS) for side in pair))


def _chosen(found: Translation, reference: str, language: str) -> str:
    """Return the likeliest translation, or of several the one nearest the reference."""
    texts = [each.text for each in found.candidates] or [""]
    best = texts[0]
    if len(texts) > 1:
        near = bleu_utility(texts, [reference], language=language)
        best = max(zip(near, texts, strict=True), key=lambda pair: pair[0])[1]
    return best.translate(SEPARATORS)
