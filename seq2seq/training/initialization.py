"""Where a training starts: from nothing, or from what another run has learned.

Knows recipes, runs and their tokenizers; not how training goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from seq2seq.data.preprocessing import Tokenizers
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.metrics.pairwise import bleu_utility, chrf_utility
from seq2seq.recipe import Recipe
from seq2seq.runs.run import Run
from seq2seq.training.minimum_risk import SentenceMetric


def load_initial_run(recipe: Recipe) -> Run | None:
    """Open the run that train.init_from names, if it does.

    Raises:
        InputError: If there is none, or it has another network or languages.
    """
    if recipe.train.init_from is None:
        return None
    run = Run.open(recipe.train.init_from)
    for key in ("source", "target"):
        one, two = getattr(run.recipe.data, key), getattr(recipe.data, key)
        if one != two:
            raise UserError(
                f"train.init_from: {run.folder.path} has data.{key}: {one}, but the "
                f"recipe has {two}; start from a run of the same languages."
            )
    different = run.recipe.model.diff_options(recipe.model)
    if different:
        key, theirs, ours = different[0]
        raise UserError(
            f"train.init_from: {run.folder.path} has model.{key}: {theirs}, but the "
            f"recipe has {ours}; give the recipe the same model section."
        )
    return run


def tokenizers_of(run: Run | None) -> Tokenizers | None:
    """Return the tokenizers that the weights of a run belong to."""
    return None if run is None else Tokenizers(run.source, run.target)


def make_sentence_metric(recipe: Recipe, tokenizer: Tokenizer) -> SentenceMetric | None:
    """Make what a candidate's cost is measured by, if the recipe asks for it."""
    risk = recipe.train.minimum_risk
    if risk is None:
        return None
    compare = chrf_utility
    if risk.metric == "bleu":
        compare = partial(bleu_utility, language=recipe.data.target)
    return partial(_utility, compare, tokenizer)


def _utility(
    compare: Callable[[Sequence[str], Sequence[str]], list[list[float]]],
    tokenizer: Tokenizer,
    hypotheses: Sequence[Sequence[int]],
    reference: Sequence[int],
) -> list[float]:
    texts = tokenizer.decode([*hypotheses, reference])
    return [row[0] / 100 for row in compare(texts[:-1], texts[-1:])]
