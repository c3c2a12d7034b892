"""Sequence-level knowledge distillation (Kim and Rush 2016): a corpus of a teacher's
translations of its training data.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from seq2seq.data.corpora import SentencePair
from seq2seq.data.splits import pair_corpora
from seq2seq.errors import UserError
from seq2seq.metrics.pairwise import bleu_utility
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.resumable_output import ResumableOutput
from seq2seq.utils.console import is_quiet
from seq2seq.utils.progress import LineProgress
from seq2seq.utils.text import is_blank

SEPARATORS = str.maketrans(dict.fromkeys("\t\n\r", " "))


@dataclass
class DistillationResult:
    """The corpus that was written.

    Attributes:
        path: A tab-separated file, a sentence pair a line.
        num_pairs: Number of its pairs.
        num_blank: Number of training pairs that were dropped, since a side is blank.
        sentences: Whether sources of several sentences were split or kept.
    """

    path: Path
    num_pairs: int = 0
    num_blank: int = 0
    sentences: Literal["split", "keep"] = "keep"


def distill(
    translator: Translator,
    folder: Path,
    *,
    job: dict[str, Any],
    sequence_interpolation: bool = False,
    data_path: str | None = None,
) -> DistillationResult:
    """Translate the training sources, and write a corpus of the translations.

    A process that is killed leaves partial files, and the same call resumes them.

    Args:
        translator: The teacher, a run or an ensemble.
        folder: Folder of train.SOURCE-TARGET.tsv; made if it is missing.
        job: Everything else that determines the text: only the same job is resumed.
        sequence_interpolation: Whether to take, of a beam's hypotheses, the one with
            the highest BLEU against the reference (Kim and Rush 2016, section 3.3), not
            the best (section 3.2). Sources of several sentences are then translated
            whole, since their reference is whole.
        data_path: Overrides data.path, for data that has moved.

    Raises:
        UserError: If the file exists, the data cannot be read, there are no pairs, or
            the file cannot be written.
    """
    data = translator.recipe.data.with_path(data_path)
    path = folder / f"{data.splits.train}.{data.source}-{data.target}.tsv"
    if path.exists():
        raise UserError(
            f"{path} is there already. Name another folder, or remove it first."
        )
    beam_size = translator.recipe.search.beam_size
    sentences = "keep" if sequence_interpolation else translator.default_sentences
    options = TranslationOptions(
        n_best=beam_size if sequence_interpolation else 1,
        sentences=sentences,
        return_scores=False,
    )
    result = DistillationResult(path, sentences=sentences)
    corpora = pair_corpora(data)
    pairs = _nonblank(chain.from_iterable(corpus.read() for corpus in corpora), result)
    first = next(pairs, None)
    if first is None:
        raise UserError(f"{corpora[0].name} has no sentence pairs; add some.")
    folder.mkdir(parents=True, exist_ok=True)
    progress = LineProgress(None if is_quiet() else sys.stderr)
    complete = False
    job = {
        **job,
        "sequence_interpolation": sequence_interpolation,
        "sentences": sentences,
    }
    with ResumableOutput([path], job=job, resume=True) as output:
        try:
            for buffer in read_buffers(
                chain([first], pairs),
                num_characters=lambda pair: len(pair.source),
                buffer_size=options.buffer_size,
                first_buffer_size=options.buffer_size,
            ):
                done = output.skip_done(["\t".join(pair) for pair in buffer])
                if done == len(buffer):
                    continue
                translations = translator.translate_batch(
                    [pair.source for pair in buffer], options
                )
                lines = [
                    f"{pair.source}\t{_select(translation, pair.target, data.target)}"
                    for pair, translation in zip(
                        buffer[done:], translations[done:], strict=True
                    )
                ]
                output.append([lines])
                translated = result.num_pairs - output.committed.lines
                progress.show(result.num_pairs, translated)
            output.commit()
            complete = True
        finally:
            progress.close(complete=complete)
    return result


def _nonblank(
    pairs: Iterable[SentencePair], result: DistillationResult
) -> Iterator[SentencePair]:
    """Drop pairs with a blank side, and count all; put each side on one line."""
    for pair in pairs:
        if is_blank(pair.source) or is_blank(pair.target):
            result.num_blank += 1
            continue
        result.num_pairs += 1
        yield SentencePair(*(side.translate(SEPARATORS) for side in pair))


def _select(translation: Translation, reference: str, language: str) -> str:
    """Return the best translation, or of several the one with the highest BLEU."""
    texts = [hypothesis.translation for hypothesis in translation.n_best] or [""]
    text = texts[0]
    if len(texts) > 1:
        scores = bleu_utility(texts, [reference], language=language)
        text = max(zip(scores, texts, strict=True), key=lambda pair: pair[0])[1]
    return text.translate(SEPARATORS)
