"""Lexical constraints: required phrases (Post and Vilar 2018) and banned phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.beam_step import BeamStep
from seq2seq.types import EOS, PAD

TokenIds = Sequence[int]
"""A sequence of tokens."""

ANY_TOKEN = -1
"""What a pattern has on its left, where every token matches."""

NO_TOKEN = -2
"""What stands before a hypothesis's first token; no pattern has it."""


class PhraseConstraints(NamedTuple):
    """The required phrases of N sentences, P each.

    Which of them a row contains is passed as `constraints_met`, (R, P), True where
    there is no phrase.

    Attributes:
        tokens: The phrases, (N, P, length), PAD on the right.
        lengths: Their tokens, (N, P), 0 where there is none.
        prefixes: Every prefix of every phrase, (N, P * length, length), as patterns,
            the shortest first.
    """

    tokens: Tensor
    lengths: Tensor
    prefixes: Tensor

    @classmethod
    def of(
        cls, required: Sequence[Sequence[TokenIds]], device: torch.device
    ) -> PhraseConstraints | None:
        """Stack the phrases of N sentences; None if there are none."""
        if not any(required):
            return None
        unique = [list(dict.fromkeys(map(tuple, phrases))) for phrases in required]
        num_phrases = max(map(len, unique))
        length = max(len(phrase) for phrases in unique for phrase in phrases)
        padded = [
            [*phrases, *[()] * (num_phrases - len(phrases))] for phrases in unique
        ]
        flat = [phrase for phrases in padded for phrase in phrases]
        tokens = pad_right(flat, device).view(len(unique), num_phrases, length)
        lengths = (tokens != PAD).sum(dim=2)  # (N, P)
        # PAD, which no hypothesis contains, where there is no prefix of this length.
        prefixes = [
            [
                phrase[:size] if size <= len(phrase) else [PAD]
                for phrase in phrases
                for size in range(1, length + 1)
            ]
            for phrases in padded
        ]
        return cls(tokens, lengths, pad_left(prefixes, device))

    def select(self, sentences: Tensor) -> PhraseConstraints:
        """Keep these sentences, in this order."""
        return PhraseConstraints(*(part[sentences] for part in self))

    def matched_length(self, recent: Tensor) -> Tensor:
        """Return the length of the longest prefix of each phrase that rows end with.

        Args:
            recent: The last tokens of each row, (R, length).

        Returns:
            From 0 to the phrase's length, (R, P).
        """
        rows_per_sentence = len(recent) // len(self.lengths)
        num_phrases, length = self.tokens.shape[1:]
        patterns = self.prefixes.repeat_interleave(rows_per_sentence, dim=0)
        matches = suffix_matches(patterns, recent)  # (R, P * length)
        sizes = torch.arange(1, length + 1, device=recent.device)
        return (matches.view(-1, num_phrases, length) * sizes).amax(dim=2)

    def next_tokens(self, tokens: Tensor, constraints_met: Tensor) -> Tensor:
        """Return the next token of each phrase, (R, P), PAD where it is contained.

        Args:
            tokens: The tokens of each row so far, (R, length).
            constraints_met: The phrases that each row contains, (R, P).
        """
        rows_per_sentence = len(tokens) // len(self.lengths)
        matched = self.matched_length(last_tokens(tokens, self.tokens.shape[2]))
        phrases = self.tokens.repeat_interleave(rows_per_sentence, dim=0)
        # Only a phrase that is contained is matched to its end.
        positions = matched.clamp(max=phrases.shape[2] - 1)[..., None]  # (R, P, 1)
        return phrases.gather(2, positions)[..., 0].masked_fill(constraints_met, PAD)


class BannedPhrases(NamedTuple):
    """The banned phrases of N sentences, F each.

    Attributes:
        prefixes: The phrases without their last token, (N, F, length), as patterns.
        last_tokens: Their last tokens, (N, F), PAD where there is none.
    """

    prefixes: Tensor
    last_tokens: Tensor

    @classmethod
    def of(
        cls, banned: Sequence[Sequence[TokenIds]], device: torch.device
    ) -> BannedPhrases | None:
        """Stack the phrases of N sentences; None if there are none."""
        if not any(banned):
            return None
        return cls(
            pad_left(
                [[phrase[:-1] for phrase in phrases] for phrases in banned], device
            ),
            pad_right(
                [[phrase[-1] for phrase in phrases] for phrases in banned], device
            ),
        )

    def select(self, sentences: Tensor) -> BannedPhrases:
        """Keep these sentences, in this order."""
        return BannedPhrases(self.prefixes[sentences], self.last_tokens[sentences])

    def completed_by(self, tokens: Tensor) -> Tensor:
        """Return the tokens that would complete a phrase, PAD elsewhere, (R, F).

        Args:
            tokens: The tokens of each row so far, (R, length).
        """
        rows_per_sentence = len(tokens) // len(self.prefixes)
        prefixes, last = (p.repeat_interleave(rows_per_sentence, dim=0) for p in self)
        recent = last_tokens(tokens, prefixes.shape[-1])
        return last.where(suffix_matches(prefixes, recent), PAD)


def allocate_beam_banks(
    unconstrained: BeamStep,
    log_probs: Tensor,
    beam_log_probs: Tensor,
    phrases: PhraseConstraints,
    *,
    tokens: Tensor,
    constraints_met: Tensor,
    next_tokens: Tensor,
    next_log_probs: Tensor,
) -> tuple[BeamStep, Tensor]:
    """Divide the K beams among hypotheses by how much of their phrases they contain.

    Candidates are the K best without constraints, each beam's best continuation, and
    each beam with the next token of each phrase that it does not contain. They are
    sorted into banks by how many required tokens they contain: those of complete
    phrases, and of the longest prefix of another. Then each bank in turn, the fullest
    first, receives a beam for its best candidate, until all K are allocated. So the
    fullest bank always advances by a token, and after as many steps as there are
    required tokens some beam contains all.

    Args:
        unconstrained: The step without constraints, N sentences of K beams.
        log_probs: Log-probabilities of the next token, (R, V) with R = N * W.
        beam_log_probs: Log-probabilities of the beams so far, (N, W).
        phrases: All required phrases.
        tokens: The tokens of each row so far, (R, length).
        constraints_met: The phrases that each row contains, (R, P).
        next_tokens: From `PhraseConstraints.next_tokens`, (R, P).
        next_log_probs: Their log-probabilities, -inf where there is none, (R, P).

    Returns:
        The step with other beams that go on, and the phrases they contain, (N, K, P).

    Source: Post and Vilar 2018, section 4, in the vectorised form of Hu et al. 2019,
    section 3; a phrase that was broken off counts again from its first token.
    """
    sentences, width = beam_log_probs.shape
    beam_size = unconstrained.log_probs.shape[1]
    num_phrases = phrases.lengths.shape[1]
    without_eos = log_probs.clone()
    without_eos[:, EOS] = -math.inf
    best, best_tokens = without_eos.max(dim=1)  # (R,)
    every_beam = torch.arange(width, device=log_probs.device).expand(sentences, -1)
    required = beam_log_probs[..., None] + next_log_probs.view(
        sentences, width, num_phrases
    )  # (N, W, P)
    # M = K + W + W * P candidates.
    candidates = torch.cat(
        [
            unconstrained.log_probs,
            beam_log_probs + best.view(sentences, width),
            required.flatten(1),
        ],
        dim=1,
    )  # (N, M)
    candidate_tokens = torch.cat(
        [
            unconstrained.tokens,
            best_tokens.view(sentences, width),
            next_tokens.view(sentences, width * num_phrases),
        ],
        dim=1,
    )  # (N, M)
    beams = torch.cat(
        [
            unconstrained.beams,
            every_beam,
            every_beam.repeat_interleave(num_phrases, dim=1),
        ],
        dim=1,
    )  # (N, M)

    # Which phrases each candidate would contain, and its bank.
    count = candidates.shape[1]
    offsets = torch.arange(sentences, device=beams.device)[:, None]  # (N, 1)
    rows = (offsets * width + beams).flatten()  # (N * M,)
    extended = torch.cat([tokens[rows], candidate_tokens.view(-1, 1)], dim=1)
    matched = phrases.matched_length(last_tokens(extended, phrases.tokens.shape[2]))
    lengths = phrases.lengths.repeat_interleave(count, dim=0)  # (N * M, P)
    constraints_met = constraints_met[rows] | (matched == lengths)  # (N * M, P)
    longest_prefix = matched.masked_fill(constraints_met, 0).amax(dim=1)  # (N * M,)
    banks = (constraints_met * lengths).sum(dim=1) + longest_prefix
    banks = banks.view(sentences, count)

    identities = beams * log_probs.shape[1] + candidate_tokens  # (N, M)
    order = _round_robin(candidates, identities, banks)[:, :beam_size]  # (N, K)
    chosen = candidates.gather(1, order)
    order = torch.where(chosen > -math.inf, order, order[:, :1])
    allocated = unconstrained._replace(
        log_probs=chosen,
        tokens=candidate_tokens.gather(1, order),
        beams=beams.gather(1, order),
    )
    return allocated, constraints_met[offsets * count + order]


def _round_robin(log_probs: Tensor, identities: Tensor, banks: Tensor) -> Tensor:
    """Order candidates: the best of every bank, the second of every bank, ...

    Args:
        log_probs: (N, M), -inf for none.
        identities: The same number for the same candidate, (N, M).
        banks: The fullest comes first, (N, M).

    Returns:
        Their indices, (N, M); repeated and impossible ones come last.
    """
    columns = torch.arange(log_probs.shape[1], device=log_probs.device)
    earlier = columns[None, :] < columns[:, None]  # (M, M): the column before the row.
    possible = log_probs > -math.inf  # (N, M)
    same = identities[:, :, None] == identities[:, None, :]  # (N, M, M)
    same = same & possible[:, None, :]
    possible = possible & ~(same & earlier).any(dim=2)
    scores, others = log_probs[:, :, None], log_probs[:, None, :]
    better = (others > scores) | ((others == scores) & earlier)  # (N, M, M)
    same_bank = (banks[:, :, None] == banks[:, None, :]) & possible[:, None, :]
    rank = (same_bank & better).sum(dim=2)  # (N, M)
    num_banks = int(banks.max()) + 1
    last = rank.shape[1] * num_banks
    keys = (rank * num_banks - banks).masked_fill(~possible, last)
    return keys.argsort(dim=1, stable=True)


def last_tokens(tokens: Tensor, count: int) -> Tensor:
    """Return the last `count` tokens, (R, count), NO_TOKEN left of shorter rows.

    Args:
        tokens: The tokens of each row so far, (R, length).
        count: How many to return.
    """
    length = tokens.shape[1]
    if length >= count:
        return tokens[:, length - count :]
    return torch.nn.functional.pad(tokens, (count - length, 0), value=NO_TOKEN)


def suffix_matches(patterns: Tensor, recent: Tensor) -> Tensor:
    """Return which patterns each row ends with, (R, P).

    Args:
        patterns: (R, P, length).
        recent: The last tokens of each row, (R, length).
    """
    return ((patterns == recent[:, None]) | (patterns == ANY_TOKEN)).all(dim=2)


def pad_right(rows: Sequence[TokenIds], device: torch.device) -> Tensor:
    """Stack rows of tokens, with PAD on the right, (N, length)."""
    length = max(map(len, rows), default=0)
    padded = [[*row, *[PAD] * (length - len(row))] for row in rows]
    return torch.tensor(padded, dtype=torch.long, device=device).view(len(rows), length)


def pad_left(phrases: Sequence[Sequence[TokenIds]], device: torch.device) -> Tensor:
    """Stack the phrases of N sentences as patterns, (N, P, length).

    ANY_TOKEN stands to the left of shorter ones and in the place of missing ones.
    """
    num_phrases = max(map(len, phrases), default=0)
    length = max((len(p) for of_one in phrases for p in of_one), default=0)
    padded = torch.full((len(phrases), num_phrases, length), ANY_TOKEN, device=device)
    for sentence, of_one in enumerate(phrases):
        for index, phrase in enumerate(of_one):
            if phrase:
                padded[sentence, index, -len(phrase) :] = torch.tensor(phrase)
    return padded
