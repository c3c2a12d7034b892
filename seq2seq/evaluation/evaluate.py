"""Translate a split or a file and score it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from seq2seq.data.sentences import split_sentences
from seq2seq.data.splits import load_eval_pairs, open_split
from seq2seq.errors import misaligned_error
from seq2seq.metrics.sacrebleu_scores import Scores, score_corpus
from seq2seq.recipe import DataOptions
from seq2seq.recipe.data import LanguagePair
from seq2seq.runs.run import require_translation
from seq2seq.runs.run_folder import RunFolder, write_json
from seq2seq.utils.files import read_lines, write_lines
from seq2seq.utils.languages import check_language
from seq2seq.utils.text import with_noun


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the lines that were scored.

    Attributes:
        scores: BLEU, chrF and TER.
        sources: Source lines; empty if only hypotheses were given.
        hypotheses: Translations.
        references: Reference translations.
        language: Code of the target language.
        seconds: Time that translating took; 0 if nothing was translated.
        sentences: Whether sources of several sentences were split or kept; empty if
            nothing was translated.
        sentence_splitting: How many sources that concerned; empty if none.
    """

    scores: Scores
    sources: list[str]
    hypotheses: list[str]
    references: list[str]
    language: str
    seconds: float
    sentences: str = ""
    sentence_splitting: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the scores and what they depend on, as plain values."""
        content = asdict(self.scores)
        if self.sentences:
            content["sentence_splitting"] = self.sentences
        return content


def evaluate_split(
    run: str | Path,
    split: str,
    *,
    data_path: str | None = None,
    pair: LanguagePair | None = None,
    ensemble: Sequence[Path] = (),
    beam_size: int | None = None,
    overrides: Sequence[str] = (),
    sentences: Literal["split", "keep"] | None = None,
    lowercase: bool = False,
    device: str = "auto",
) -> Evaluation:
    """Translate a split of a run's data, score it, save both in the run folder.

    Args:
        run: The run folder.
        split: train, valid or test as the recipe names them, or any split of the data.
        data_path: Override of data.path, if the data has moved.
        pair: The language pair; the run's only one if None. Of several, each has a
            folder of its own.
        ensemble: Further runs of an ensemble; its results are saved apart, in the
            folder of the split with -ensemble.
        beam_size: Beam size; the recipe's if None.
        overrides: Overrides of the recipe's search section, such as
            `search.length_penalty=0.6`. Their results are not saved: the folder holds
            those of the recipe.
        sentences: Whether sources of several sentences are split or kept; the run's
            default if None.
        lowercase: Whether BLEU and chrF ignore case; such scores are saved in
            scores-lowercase.json.
        device: Where to translate: cpu, cuda, cuda:1 or auto.

    Raises:
        UserError: If run, split or device cannot be used.
    """
    run = Path(run)
    sources, references = load_split(run, split, data_path=data_path, pair=pair)
    evaluation = _translate_and_score(
        [run, *ensemble],
        sources,
        references,
        beam_size=beam_size,
        overrides=overrides,
        sentences=sentences,
        lowercase=lowercase,
        device=device,
        to=None if pair is None else pair[1],
    )
    if overrides or RunFolder(run).is_shared:
        return evaluation
    name = split if pair is None else pair_split(_read_data(run), split, pair)
    folder = RunFolder(run).evaluation(f"{name}-ensemble" if ensemble else name)
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "hypotheses.txt", evaluation.hypotheses)
    name = "scores-lowercase.json" if lowercase else "scores.json"
    data = _describe_data(_pair_data(run, data_path, pair), split)
    write_json(folder / name, evaluation.to_json() | {"data": data})
    return evaluation


def pair_split(data: DataOptions, split: str, pair: LanguagePair) -> str:
    """Return the name under which a language pair's translations are saved."""
    return f"{split}.{'-'.join(pair)}" if len(data.pairs) > 1 else split


def _read_data(run: Path) -> DataOptions:
    return require_translation(RunFolder(run).read_recipe(), run).data


def _pair_data(
    run: Path, data_path: str | None, pair: LanguagePair | None
) -> DataOptions:
    data = _read_data(run)
    data = data.into(None) if pair is None else data.for_pair(pair)
    return data.with_path(data_path)


def _describe_data(data: DataOptions, split: str) -> dict[str, str]:
    """Return of which data scores are: its name; id and commit where the Hub has it."""
    content = {"path": Path(data.path).name}
    if data.path == "phrasebook" or Path(data.path).exists():
        return content
    dataset = open_split(data, data.splits.name_of(split)).hub_dataset
    return content | (dataset._asdict() if dataset else {})


def load_split(
    run: Path,
    split: str,
    *,
    data_path: str | None = None,
    pair: LanguagePair | None = None,
) -> tuple[list[str], list[str]]:
    """Read sources and references of a split of a run's data.

    Args:
        run: The run folder.
        split: As in `evaluate_split`.
        data_path: As in `evaluate_split`.
        pair: As in `evaluate_split`.

    Raises:
        UserError: If run or split cannot be used.
    """
    data = _pair_data(run, data_path, pair)
    pairs = load_eval_pairs(data, data.splits.name_of(split))
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


def evaluate_files(
    run: Path,
    source: Path,
    reference: Path,
    *,
    ensemble: Sequence[Path] = (),
    beam_size: int | None = None,
    overrides: Sequence[str] = (),
    sentences: Literal["split", "keep"] | None = None,
    lowercase: bool = False,
    device: str = "auto",
    to: str | None = None,
) -> Evaluation:
    """Translate a file and score it against another; see `evaluate_split`."""
    sources, references = list(read_lines(source)), list(read_lines(reference))
    _require_aligned(source, sources, reference, references)
    return _translate_and_score(
        [run, *ensemble],
        sources,
        references,
        beam_size=beam_size,
        overrides=overrides,
        sentences=sentences,
        lowercase=lowercase,
        device=device,
        to=to,
    )


def evaluate_hypotheses(
    hypothesis: Path, reference: Path, *, language: str, lowercase: bool = False
) -> Evaluation:
    """Score a file of translations, without a run.

    Args:
        hypothesis: File of translations, one per line.
        reference: File of references, one per line.
        language: Code of the target language; selects BLEU's tokenizer.
        lowercase: Whether BLEU and chrF ignore case.

    Raises:
        UserError: If the code names no language or the files do not fit.
    """
    check_language(language)
    hypotheses, references = list(read_lines(hypothesis)), list(read_lines(reference))
    _require_aligned(hypothesis, hypotheses, reference, references)
    scores = score_corpus(
        hypotheses, references, language=language, lowercase=lowercase
    )
    return Evaluation(scores, [], hypotheses, references, language, 0.0)


def _require_aligned(
    path: Path, lines: Sequence[str], reference: Path, references: Sequence[str]
) -> None:
    if len(lines) != len(references):
        raise misaligned_error(
            f"{path} has {with_noun(len(lines), 'line')}, but {reference} has "
            f"{with_noun(len(references), 'reference')}"
        )


def _translate_and_score(
    runs: Sequence[Path],
    sources: list[str],
    references: list[str],
    *,
    beam_size: int | None,
    overrides: Sequence[str],
    sentences: Literal["split", "keep"] | None,
    lowercase: bool,
    device: str,
    to: str | None,
) -> Evaluation:
    from seq2seq.translate import TranslationOptions, Translator
    from seq2seq.translate.line_stats import LineStats

    translator = Translator.load(
        runs[0], ensemble=runs[1:], overrides=overrides, device=device, to=to
    )
    started = time.perf_counter()
    options = TranslationOptions(sentences=sentences)
    hypotheses = translator(sources, beam_size=beam_size, options=options)
    seconds = time.perf_counter() - started
    language = translator.recipe.data.target
    scores = score_corpus(
        hypotheses, references, language=language, lowercase=lowercase
    )
    stats = LineStats.of(translator, sentences)
    source_language = translator.recipe.data.source
    stats.lines = len(sources)
    stats.multi_sentence = sum(
        len(split_sentences(source, source_language)) > 1 for source in sources
    )
    return Evaluation(
        scores,
        sources,
        hypotheses,
        references,
        language,
        seconds,
        stats.sentences,
        stats.sentence_splitting() if stats.multi_sentence else "",
    )
