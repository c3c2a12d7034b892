"""What goes on in a trained model while it translates: where it looks, what it keeps.

Knows networks, ids and tensors; not scores, figures or pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.data.dataset import validation_batches
from seq2seq.errors import UserError
from seq2seq.nn.bridge import context_vector
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.translate import Translator
from seq2seq.types import EOS, PAD

MOST_SENTENCES = 2000  # Looked at for search errors.
MOST_PIECES = 32  # A plot of more cannot be read.
ON_THE_MAP = 20
BATCH_TOKENS = 2048
_EQUAL = 1e-3  # Nats: the same sentence in another batch differs in the last digits.


@dataclass(frozen=True)
class AttentionMap:
    """Where attention looked while a translation was read.

    Attributes:
        row: Which sentence of the test set.
        source: Its pieces, the end of the sentence last.
        target: The translation's, the end of the sentence last.
        weights: A row for each target piece, one number for each source piece; a row
            sums to 1.
    """

    row: int
    source: list[str]
    target: list[str]
    weights: list[list[float]]


@dataclass(frozen=True)
class ContextProjection:
    """Context vectors of some sentences in their two main directions.

    Attributes:
        rows: Which sentences of the test set.
        points: A pair of numbers for each.
        shares: Of the vectors' variance, what the two directions hold, 0 to 1.
    """

    rows: list[int]
    points: list[tuple[float, float]]
    shares: tuple[float, float]


@dataclass(frozen=True)
class SearchErrors:
    """Sentences where the model prefers the reference to what the search found.

    Attributes:
        looked_at: How many were compared.
        rows: Where the reference has the higher score.
    """

    looked_at: int
    rows: list[int]


@dataclass(frozen=True)
class ModelAnalysis:
    """What a look inside found.

    Attributes:
        alignments: Of the sentences that were asked for; none without attention.
        context: For a model without attention that reads enough sentences.
        search_errors: By the score that the search goes by.
    """

    alignments: list[AttentionMap]
    context: ContextProjection | None
    search_errors: SearchErrors


@torch.inference_mode()
def analyse_model(
    translator: Translator,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    shown: Sequence[int],
) -> ModelAnalysis:
    """Run a trained model over its own translations and the references.

    Translations are cut into pieces anew, which may not be how the search spelt them.

    Args:
        translator: The trained run.
        sources: Source lines.
        hypotheses: What the model made of them.
        references: What they should be.
        shown: Rows to align.
    """
    network = translator.network
    alignments, context = [], None
    if network.decoder.attention is not None:
        alignments = _alignments(translator, sources, hypotheses, shown)
    else:
        context = _context_map(translator, sources)
    rows = _spread(len(sources), MOST_SENTENCES)
    ranking = HypothesisScorer(translator.recipe.search)
    chosen = [sources[row] for row in rows]
    mine = _scores(translator, chosen, [hypotheses[row] for row in rows], ranking)
    its = _scores(translator, chosen, [references[row] for row in rows], ranking)
    errors = [
        row
        for row, found, better in zip(rows, mine, its, strict=True)
        if better > found + _EQUAL
    ]
    return ModelAnalysis(alignments, context, SearchErrors(len(rows), errors))


def _spread(count: int, most: int) -> list[int]:
    """Choose rows evenly, all of them if they are few."""
    if count <= most:
        return list(range(count))
    return [row * count // most for row in range(most)]


def _alignments(
    translator: Translator,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    shown: Sequence[int],
) -> list[AttentionMap]:
    found = []
    for row in shown:
        (source,), (target,) = (
            translator.source.encode([sources[row]]),
            translator.target.encode([hypotheses[row]]),
        )
        if not source or not target or max(len(source), len(target)) >= MOST_PIECES:
            continue
        weights = translator.network.decode(collate([source], [target])).attention
        if weights is None:
            raise UserError("a model with attention gave no weights.")
        found.append(
            AttentionMap(
                row,
                translator.source.id_to_tokens([*source, EOS]),
                translator.target.id_to_tokens([*target, EOS]),
                [[round(float(w), 4) for w in line] for line in weights[0]],
            )
        )
    return found


def _context_map(
    translator: Translator, sources: Sequence[str]
) -> ContextProjection | None:
    """Project the context vectors of sentences from short to long.

    Source: Sutskever et al. 2014, section 3.8 and figure 2.
    """
    encoded = translator.source.encode(list(sources))
    there = [row for row, ids in enumerate(encoded) if ids]
    ordered = sorted(there, key=lambda row: (len(encoded[row]), row))
    rows = [ordered[place] for place in _spread(len(ordered), ON_THE_MAP)]
    if len(rows) < 3:
        return None
    batch = collate([encoded[row] for row in rows], [[] for _ in rows])
    final = translator.network.encoder(batch.source, batch.source_lengths).final_state
    points, shares = pca_2d(context_vector(final).double())
    return ContextProjection(rows, points, shares)


def pca_2d(
    vectors: Tensor,
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Find the two main directions of some vectors (principal components).

    Args:
        vectors: Three at least, (N, C), C at least 2.

    Returns:
        Where each vector lies in them, and the shares of the variance that they hold.
        The largest coordinate of a direction is positive, so that signs are fixed.
    """
    centred = vectors - vectors.mean(dim=0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    flat = left[:, :2] * sizes[:2]
    largest = flat.gather(0, flat.abs().argmax(dim=0, keepdim=True))
    flat = flat * torch.where(largest < 0, -1.0, 1.0)
    shares = (sizes**2 / (sizes**2).sum().clamp_min(1e-30))[:2].tolist()
    points = [(round(x, 4), round(y, 4)) for x, y in flat.tolist()]
    return points, (round(shares[0], 4), round(shares[1], 4))


def _scores(
    translator: Translator,
    sources: Sequence[str],
    targets: Sequence[str],
    ranking: HypothesisScorer,
) -> list[float]:
    """Score translations as the search would, in nats over a norm of the length."""
    batches = validation_batches(
        translator.source.encode(list(sources)),
        translator.target.encode(list(targets)),
        batch_tokens=BATCH_TOKENS,
    )
    found = [0.0] * len(sources)
    for batch in batches:
        real = batch.targets != PAD
        nats = translator.engine.log_probs(batch).masked_fill(~real, 0.0)
        totals, lengths = nats.sum(dim=1).tolist(), real.sum(dim=1).tolist()
        for row, total, length in zip(
            batch.indices.tolist(), totals, lengths, strict=True
        ):
            found[row] = ranking.score(total, length)
    return found
