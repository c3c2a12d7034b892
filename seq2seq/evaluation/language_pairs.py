"""Scores of every language pair of a run, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import Evaluation, evaluate_split, load_split
from seq2seq.recipe import DataOptions
from seq2seq.recipe.data import LanguagePair
from seq2seq.runs.run import require_translation
from seq2seq.runs.run_folder import RunFolder, write_json

METRICS = ("bleu", "chrf", "ter")


@dataclass(frozen=True)
class PairEvaluation:
    """The evaluation of one language pair.

    Attributes:
        pair: Source and target language.
        zero_shot: Whether the run was trained on no text of it.
        evaluation: Its scores.
    """

    pair: LanguagePair
    zero_shot: bool
    evaluation: Evaluation

    @property
    def name(self) -> str:
        """Both languages, such as en-de."""
        return "-".join(self.pair)


def zero_shot_pairs(data: DataOptions) -> list[LanguagePair]:
    """Return the pairs of a source and a target language that were not trained on.

    Source: Johnson et al. 2017, section 4.6.
    """
    sources = dict.fromkeys(source for source, _ in data.pairs)
    pairs = product(sources, data.targets)
    return [(s, t) for s, t in pairs if s != t and (s, t) not in data.pairs]


def evaluate_pairs(
    run: Path,
    split: str,
    *,
    to: str | None = None,
    data_path: str | None = None,
    ensemble: Sequence[Path] = (),
    beam_size: int | None = None,
    overrides: Sequence[str] = (),
    sentences: Literal["split", "keep"] | None = None,
    lowercase: bool = False,
    device: str = "auto",
) -> list[PairEvaluation]:
    """Translate and score a split of every language pair, and save all in the run.

    Zero-shot pairs are those for whose languages data.path has the split.

    Args:
        run: The run folder.
        split: As in `evaluate_split`, as are the others.
        to: Only pairs with this target language; all if None.
        data_path: Override of data.path, for every pair.
        ensemble: Further runs.
        beam_size: Beam size.
        overrides: Overrides of the recipe's search section.
        sentences: Whether sources of several sentences are split or kept.
        lowercase: Whether BLEU and chrF ignore case.
        device: Where to translate.

    Raises:
        UserError: If run, language, split or device cannot be used.
    """
    data = require_translation(RunFolder(run).read_recipe(), run).data
    if to is not None:
        data.into(to)  # Raises if there is no such language.
    pairs = [pair for pair in data.pairs if to in (None, pair[1])]
    trained = len(pairs)
    for pair in zero_shot_pairs(data):
        with suppress(UserError):
            if to in (None, pair[1]):
                load_split(run, split, data_path=data_path, pair=pair)
                pairs.append(pair)
    evaluations = [
        PairEvaluation(
            pair,
            index >= trained,
            evaluate_split(
                run,
                split,
                data_path=data_path,
                pair=pair,
                ensemble=ensemble,
                beam_size=beam_size,
                overrides=overrides,
                sentences=sentences,
                lowercase=lowercase,
                device=device,
            ),
        )
        for index, pair in enumerate(pairs)
    ]
    saves = to is None and not (overrides or ensemble or lowercase)
    if len(data.pairs) > 1 and saves and not RunFolder(run).is_shared:
        path = RunFolder(run).evaluation(split) / "scores.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, pairs_json(evaluations))
    return evaluations


def mean_scores(evaluations: Sequence[PairEvaluation]) -> dict[str, float]:
    """Return the mean over the trained pairs of BLEU, chrF and TER."""
    scores = [e.evaluation.scores for e in evaluations if not e.zero_shot]
    return {
        metric: sum(getattr(s, metric).score for s in scores) / max(1, len(scores))
        for metric in METRICS
    }


def pairs_json(evaluations: Sequence[PairEvaluation]) -> dict[str, Any]:
    """Return the scores of all pairs, and the mean of those that were trained on."""
    return {
        "mean": mean_scores(evaluations),
        "zero_shot": [e.name for e in evaluations if e.zero_shot],
        "pairs": {e.name: e.evaluation.to_json() for e in evaluations},
    }
