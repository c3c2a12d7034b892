"""Analysis of a trained model: attention maps, context vectors and search errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.data.dataset import validation_batches
from seq2seq.errors import UserError
from seq2seq.evaluation.schema import (
    AttentionMap,
    ContextProjection,
    ModelAnalysis,
    ProjectedSegment,
    SearchErrors,
)
from seq2seq.nn.bridge import context_vector
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.translate import Translator
from seq2seq.translate.alignment import align
from seq2seq.translate.input_splitting import WORD
from seq2seq.types import PAD
from seq2seq.utils.word_characters import is_word_character

MAX_COMPARED = 2000  # Segments scored for search errors.
MAX_TOKENS = 32  # An attention map of more cannot be read.
MAX_PROJECTED = 20
BATCH_TOKENS = 2048
# Thai, Lao, Burmese, Khmer, Japanese and Chinese have no blanks between words.
_NO_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff]")
_EPSILON = 1e-3  # Nats: the same sentence in another batch differs in the last digits.


@torch.inference_mode()
def analyse_model(
    translator: Translator,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    aligned: Sequence[int],
) -> ModelAnalysis:
    """Analyse a trained model on its own translations and the references.

    Translations are tokenized anew, which may differ from the tokens of the search.

    Args:
        translator: The trained run.
        sources: Source lines.
        hypotheses: The model's translations.
        references: Reference lines.
        aligned: Numbers, from 1, of the segments to draw attention maps of.
    """
    attention_maps, projection = [], None
    if translator.network.decoder.attention is not None:
        attention_maps = _attention_maps(translator, sources, hypotheses, aligned)
    else:
        projection = _project_contexts(translator, sources)
    rows = _evenly_spaced(len(sources), MAX_COMPARED)
    scorer = HypothesisScorer(translator.recipe.search)
    subset = [sources[row] for row in rows]
    scores, reference_scores = (
        _scores(translator, subset, [lines[row] for row in rows], scorer)
        for lines in (hypotheses, references)
    )
    errors = [
        row + 1
        for row, score, reference_score in zip(
            rows, scores, reference_scores, strict=True
        )
        if reference_score > score + _EPSILON
    ]
    return ModelAnalysis(attention_maps, projection, SearchErrors(len(rows), errors))


def _evenly_spaced(count: int, max_count: int) -> list[int]:
    """Choose rows evenly, all of them if they are few."""
    if count <= max_count:
        return list(range(count))
    return [row * count // max_count for row in range(max_count)]


def _attention_maps(
    translator: Translator,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    segments: Sequence[int],
) -> list[AttentionMap]:
    attention_maps = []
    for number in segments:
        (source,) = translator.source.encode([sources[number - 1]])
        (target,) = translator.target.encode([hypotheses[number - 1]])
        if not source or not target or max(len(source), len(target)) >= MAX_TOKENS:
            continue
        weights = translator.network.forward_decoder(
            collate([source], [target]).to(translator.device)
        ).attention
        if weights is None:
            raise UserError("a model with attention gave no weights.")
        alignment = align(
            mark_words(translator.source.id_to_tokens(source)),
            mark_words(translator.target.id_to_tokens(target)),
            weights[0].cpu().numpy(),
        )
        attention_maps.append(
            AttentionMap(
                number,
                list(alignment.source),
                list(alignment.target),
                [[round(float(w), 4) for w in line] for line in alignment.weights],
            )
        )
    return attention_maps


def mark_words(tokens: Sequence[str]) -> list[str]:
    """Mark each token that begins a word, and append EOS.

    The tokenizer marks those after a blank. Punctuation is a word as well, and so is
    each token of a script without blanks.
    """
    marked = [*tokens, f"{WORD}</s>"]
    for index, (previous, token) in enumerate(pairwise(tokens), 1):
        within = all(
            is_word_character(char) and not _NO_BLANKS.match(char)
            for char in (previous[-1], token[0])
        )
        if not within and token[0] != WORD:
            marked[index] = f"{WORD}{token}"
    return marked


def _project_contexts(
    translator: Translator, sources: Sequence[str]
) -> ContextProjection | None:
    """Project the context vectors of sentences from short to long.

    Source: Sutskever et al. 2014, section 3.8 and figure 2.
    """
    encoded = translator.source.encode(list(sources))
    filled = [row for row, ids in enumerate(encoded) if ids]
    ordered = sorted(filled, key=lambda row: (len(encoded[row]), row))
    rows = [ordered[index] for index in _evenly_spaced(len(ordered), MAX_PROJECTED)]
    if len(rows) < 3:
        return None
    batch = collate([encoded[row] for row in rows], [[] for _ in rows])
    source = batch.source.to(translator.device)
    final = translator.network.encoder(source, batch.source_lengths).final_state
    points, explained_variance = pca_2d(context_vector(final).double())
    projected = [
        ProjectedSegment(row + 1, x, y)
        for row, (x, y) in zip(rows, points, strict=True)
    ]
    return ContextProjection(projected, explained_variance)


def pca_2d(vectors: Tensor) -> tuple[list[tuple[float, float]], list[float]]:
    """Project vectors on their first two principal components.

    Args:
        vectors: Three at least, (N, C), C at least 2.

    Returns:
        The N points, and the shares of the variance of both components. The largest
        coordinate of a component is positive, which fixes its sign.
    """
    centred = vectors - vectors.mean(dim=0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    flat = left[:, :2] * sizes[:2]
    largest = flat.gather(0, flat.abs().argmax(dim=0, keepdim=True))
    flat = flat * torch.where(largest < 0, -1.0, 1.0)
    shares = (sizes**2 / (sizes**2).sum().clamp_min(1e-30))[:2].tolist()
    points = [(round(x, 4), round(y, 4)) for x, y in flat.tolist()]
    return points, [round(share, 4) for share in shares]


def _scores(
    translator: Translator,
    sources: Sequence[str],
    targets: Sequence[str],
    scorer: HypothesisScorer,
) -> list[float]:
    """Score translations as the search does, in nats over the length penalty."""
    batches = validation_batches(
        translator.source.encode(list(sources)),
        translator.target.encode(list(targets)),
        batch_tokens=BATCH_TOKENS,
    )
    scores = [0.0] * len(sources)
    for on_cpu in batches:
        batch = on_cpu.to(translator.device)
        mask = batch.targets != PAD
        log_probs = translator.engine.log_probs(batch).masked_fill(~mask, 0.0)
        totals, lengths = log_probs.sum(dim=1).tolist(), mask.sum(dim=1).tolist()
        for row, total, length in zip(
            batch.indices.tolist(), totals, lengths, strict=True
        ):
            scores[row] = scorer.score(total, length)
    return scores
