"""Logits processing: constraints and options applied to a step's log-probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from seq2seq.recipe import SearchOptions
from seq2seq.search.constraints import DecodingConstraints, per_row
from seq2seq.search.step import mask_special_tokens
from seq2seq.types import EOS, PAD, UNK


def needs_tokens(constraints: DecodingConstraints, options: SearchOptions) -> bool:
    """Return whether a search must keep the tokens of its rows, for any constraint."""
    return (
        options.no_repeat_ngram_size > 0
        or constraints.required_phrases is not None
        or constraints.banned_phrases is not None
        or constraints.banned_strings is not None
    )


def process_logits(
    log_probs: Tensor,
    tokens: Tensor,
    length: int,
    constraints: DecodingConstraints,
    options: SearchOptions,
) -> Tensor:
    """Mask the tokens that must not come next; required phrases are left to the beam.

    The others keep their log-probabilities, so a hypothesis has the one that the model
    assigns to it.

    Args:
        log_probs: The step's scores, (R, V); may be written to.
        tokens: The tokens of each row so far, (R, length); may be empty, (R, 0), where
            `needs_tokens` is False.
        length: How many tokens each row has.
        constraints: Of N sentences, each with R / N rows.
        options: no_repeat_ngram_size and allow_unknown.

    Returns:
        The same in single precision or better, -inf where a token is masked, (R, V).
    """
    masked = mask_special_tokens(log_probs)  # (R, V)
    forced = constraints.forced_tokens(length, len(masked))
    if forced is not None:
        forced_log_probs = masked.gather(1, forced[:, None])  # (R, 1)
    if not options.allow_unknown:
        masked[:, UNK] = -math.inf
    if constraints.min_lengths is not None:
        too_short = per_row(constraints.min_lengths, len(masked)) > length  # (R,)
        masked[:, EOS].masked_fill_(too_short, -math.inf)
    # PAD, which is masked in any case, stands where nothing would be completed.
    ngram_size = options.no_repeat_ngram_size
    if ngram_size and length >= ngram_size:
        masked.scatter_(1, banned_ngram_tokens(tokens, ngram_size), -math.inf)
    for banned in (constraints.banned_phrases, constraints.banned_strings):
        if banned is not None:
            masked.scatter_(1, banned.completed_by(tokens), -math.inf)
    if forced is not None:
        masked.masked_fill_((forced != PAD)[:, None], -math.inf)
        # At PAD, where no token is forced, -inf replaces -inf.
        masked.scatter_(1, forced[:, None], forced_log_probs)
    return masked


def banned_ngram_tokens(tokens: Tensor, ngram_size: int) -> Tensor:
    """Return tokens that would repeat an n-gram, PAD elsewhere, (R, length - n + 1).

    Args:
        tokens: The tokens of each row so far, (R, length), length at least n.
        ngram_size: n.

    Source: Paulus et al. 2018, section 2.5.
    """
    ngrams = tokens.unfold(1, ngram_size, 1)  # (R, length - n + 1, n)
    prefix = tokens[:, tokens.shape[1] - ngram_size + 1 :]  # (R, n - 1)
    repeated = (ngrams[..., :-1] == prefix[:, None]).all(dim=2)
    return ngrams[..., -1].where(repeated, PAD)
