"""Translate a split or a file and score it. Knows runs and files; not training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from seq2seq.data.preprocessing import load_eval_pairs
from seq2seq.metrics.sacrebleu_scores import Scores, score_corpus
from seq2seq.recipe import DataOptions
from seq2seq.runs.run_folder import RunFolder, write_json
from seq2seq.utils.files import read_lines, write_lines


@dataclass(frozen=True)
class Evaluation:
    """Scores and the lines behind them.

    Attributes:
        scores: What the hypotheses scored.
        sources: What was translated; empty where only hypotheses came.
        hypotheses: What was scored.
        references: What they should be.
        seconds: Time that translating took; 0 where nothing was translated.
    """

    scores: Scores
    sources: list[str]
    hypotheses: list[str]
    references: list[str]
    seconds: float


def evaluate_split(
    run: Path,
    split: str,
    *,
    data_path: str | None = None,
    ensemble: Sequence[Path] = (),
    beam_size: int | None = None,
    overrides: Sequence[str] = (),
    lowercase: bool = False,
) -> Evaluation:
    """Translate a split of a run's data, score it, keep both in the run folder.

    Args:
        run: The run folder.
        split: train, valid or test as the recipe names them, or any split of the data.
        data_path: Where the data is now, if it has moved.
        ensemble: Runs that decide with this one; what they reach together is kept
            apart, in the folder of the split with -ensemble.
        beam_size: Hypotheses kept at each step; the recipe's if None.
        overrides: Keys of the search section that are to be otherwise, as in
            `search.length_penalty=0.6`. What they make is not kept: the folder holds
            what the recipe makes.
        lowercase: Whether BLEU and chrF disregard case; such scores are kept in
            scores-lowercase.json.

    Raises:
        InputError: If run or split cannot be used.
    """
    folder = RunFolder(run)
    sources, references = load_split(run, split, data_path=data_path)
    found = _translated(
        [run, *ensemble],
        sources,
        references,
        beam_size=beam_size,
        overrides=overrides,
        lowercase=lowercase,
    )
    if overrides:
        return found
    place = folder.evaluation(f"{split}-ensemble" if ensemble else split)
    place.mkdir(parents=True, exist_ok=True)
    write_lines(place / "hypotheses.txt", found.hypotheses)
    name = "scores-lowercase.json" if lowercase else "scores.json"
    write_json(place / name, asdict(found.scores))
    return found


def load_split(
    run: Path, split: str, *, data_path: str | None = None
) -> tuple[list[str], list[str]]:
    """Read both sides of a split of a run's data.

    Raises:
        InputError: If run or split cannot be used.
    """
    data: DataOptions = RunFolder(run).read_recipe().data
    if data_path is not None:
        data = data.model_copy(update={"path": data_path})
    named = data.splits.model_dump().get(split, split)
    pairs = load_eval_pairs(data, named)
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


def evaluate_files(
    run: Path,
    source: Path,
    reference: Path,
    *,
    ensemble: Sequence[Path] = (),
    beam_size: int | None = None,
    overrides: Sequence[str] = (),
    lowercase: bool = False,
) -> Evaluation:
    """Translate a file and score it against another one."""
    sources, references = list(read_lines(source)), list(read_lines(reference))
    return _translated(
        [run, *ensemble],
        sources,
        references,
        beam_size=beam_size,
        overrides=overrides,
        lowercase=lowercase,
    )


def evaluate_hypotheses(
    hypothesis: Path, reference: Path, *, language: str, lowercase: bool = False
) -> Evaluation:
    """Score anybody's translations, without a run."""
    hypotheses, references = list(read_lines(hypothesis)), list(read_lines(reference))
    scores = score_corpus(
        hypotheses, references, language=language, lowercase=lowercase
    )
    return Evaluation(scores, [], hypotheses, references, 0.0)


def _translated(
    runs: Sequence[Path],
    sources: list[str],
    references: list[str],
    *,
    beam_size: int | None,
    overrides: Sequence[str],
    lowercase: bool,
) -> Evaluation:
    from seq2seq.translate import Translator

    translator = Translator.load(runs[0], ensemble=runs[1:], overrides=overrides)
    started = time.perf_counter()
    hypotheses = translator(sources, beam_size=beam_size)
    seconds = time.perf_counter() - started
    language = translator.recipe.data.target
    scores = score_corpus(
        hypotheses, references, language=language, lowercase=lowercase
    )
    return Evaluation(scores, sources, hypotheses, references, seconds)
