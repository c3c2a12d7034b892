"""Required phrases: how much of them a hypothesis holds, and places for those that do.

Knows ids, rows and log-probabilities; not the step function or text.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.search.beam_step import BeamStep
from seq2seq.search.constraints import DecodingConstraints, pad_right
from seq2seq.search.logits_processors import last_tokens, pad_left, suffix_matches
from seq2seq.types import EOS, PAD


class PhraseConstraints(NamedTuple):
    """The required phrases of N sentences.

    Which of them a row holds is passed as (R, P), True where there is no phrase.

    Attributes:
        tokens: The phrases, (N, P, length), PAD on the right.
        lengths: Their pieces, (N, P), 0 where there is none.
        beginnings: Every beginning of every phrase, (N, P * length, length), as
            patterns; the shortest first.
    """

    tokens: Tensor
    lengths: Tensor
    beginnings: Tensor

    @classmethod
    def of(cls, demands: DecodingConstraints) -> PhraseConstraints | None:
        """Return what sentences need before the first piece; None if nothing."""
        if not any(demands.required_phrases):
            return None
        device = demands.max_lengths.device
        wanted = [
            list(dict.fromkeys(map(tuple, some))) for some in demands.required_phrases
        ]
        most = max(map(len, wanted))
        longest = max(len(phrase) for some in wanted for phrase in some)
        filled = [[*some, *[()] * (most - len(some))] for some in wanted]
        pieces = pad_right(
            [
                [*phrase, *[PAD] * (longest - len(phrase))]
                for some in filled
                for phrase in some
            ],
            device,
        ).view(len(wanted), most, longest)
        lengths = (pieces != PAD).sum(dim=2)
        # PAD, which nothing says, where there is no such beginning.
        beginnings = [
            [
                phrase[:size] if size <= len(phrase) else [PAD]
                for phrase in some
                for size in range(1, longest + 1)
            ]
            for some in filled
        ]
        return cls(pieces, lengths, pad_left(beginnings, device))

    def select(self, sentences: Tensor) -> PhraseConstraints:
        """Keep these sentences, in this order."""
        return PhraseConstraints(*(part[sentences] for part in self))

    def matched_length(self, said: Tensor) -> Tensor:
        """Count the pieces of each phrase with which rows end.

        Args:
            said: The newest pieces, (R, length).

        Returns:
            From 0 to the phrase's length, (R, P).
        """
        each = len(said) // len(self.lengths)
        most, longest = self.tokens.shape[1:]
        ends = suffix_matches(self.beginnings.repeat_interleave(each, dim=0), said)
        sizes = torch.arange(1, longest + 1, device=said.device)
        return (ends.view(-1, most, longest) * sizes).amax(dim=2)

    def next_tokens(self, history: Tensor, held: Tensor) -> Tensor:
        """Return the next piece of each phrase, (R, P), PAD where it is held.

        Args:
            history: What each row has said, (R, pieces).
            held: The phrases that it holds, (R, P).
        """
        each = len(history) // len(self.lengths)
        begun = self.matched_length(last_tokens(history, self.tokens.shape[2]))
        pieces = self.tokens.repeat_interleave(each, dim=0)
        # The whole of a phrase is begun only where it is held.
        places = begun.clamp(max=pieces.shape[2] - 1)[..., None]
        return pieces.gather(2, places)[..., 0].masked_fill(held, PAD)


def allocate_beam_banks(
    plain: BeamStep,
    log_probs: Tensor,
    wanted: Tensor,
    needed: Tensor,
    beam_log_probs: Tensor,
    history: Tensor,
    held: Tensor,
    needs: PhraseConstraints,
) -> tuple[BeamStep, Tensor]:
    """Give the K places to beams that hold less and more of the required phrases.

    Candidates are the K best as without needs, each beam's best continuation, and
    each beam with the next piece of each phrase that it does not hold. They are
    sorted into banks by how many required pieces they hold: those of phrases that are
    complete, and of the longest that is begun. Then each bank in turn, the fullest
    first, gets a place for its best candidate, until all K are given. So the fullest
    bank always moves on by a piece, and after as many steps as there are required
    pieces some beam holds all.

    Args:
        plain: What is found without needs, N sentences of K beams.
        log_probs: Log-probabilities of the next piece, (R, V) with R = N * W.
        wanted: The next piece of each phrase, from `PhraseConstraints.wanted`, (R, P).
        needed: The log-probabilities of those, -inf where there is none, (R, P).
        beam_log_probs: Those of the beams so far, (N, W).
        history: What each row has said, (R, pieces).
        held: The phrases that it holds, (R, P).
        needs: All phrases.

    Returns:
        The expansion with other beams, and which phrases they hold, (N, K, P).

    Source: Post and Vilar 2018, section 4, in the vectorised form of Hu et al. 2019,
    section 3; a phrase that was broken off counts again from its beginning.
    """
    sentences, width = beam_log_probs.shape
    size = plain.log_probs.shape[1]
    phrases = needs.lengths.shape[1]
    best, best_pieces = log_probs.index_fill(
        1, torch.tensor([EOS], device=log_probs.device), -math.inf
    ).max(dim=1)
    own = torch.arange(width, device=log_probs.device).expand(sentences, -1)
    joined = torch.cat(
        [
            plain.log_probs,
            beam_log_probs + best.view(sentences, width),
            (
                beam_log_probs[..., None] + needed.view(sentences, width, phrases)
            ).flatten(1),
        ],
        dim=1,
    )
    pieces = torch.cat(
        [
            plain.tokens,
            best_pieces.view(sentences, width),
            wanted.view(sentences, width * phrases),
        ],
        dim=1,
    )
    beams = torch.cat([plain.beams, own, own.repeat_interleave(phrases, dim=1)], dim=1)

    # Which phrases each candidate would hold, and its bank.
    count = joined.shape[1]
    firsts = torch.arange(sentences, device=beams.device)[:, None]
    rows = (firsts * width + beams).flatten()
    said = torch.cat([history[rows], pieces.view(-1, 1)], dim=1)
    begun = needs.matched_length(last_tokens(said, needs.tokens.shape[2]))
    lengths = needs.lengths.repeat_interleave(count, dim=0)
    held = held[rows] | (begun == lengths)
    under_way = begun.masked_fill(held, 0).amax(dim=1)
    banks = ((held * lengths).sum(dim=1) + under_way).view(sentences, count)

    order = _turns(joined, beams * log_probs.shape[1] + pieces, banks)[:, :size]
    chosen = joined.gather(1, order)
    order = torch.where(chosen > -math.inf, order, order[:, :1])
    found = plain._replace(
        log_probs=chosen, tokens=pieces.gather(1, order), beams=beams.gather(1, order)
    )
    return found, held[firsts * count + order]


def _turns(log_probs: Tensor, names: Tensor, banks: Tensor) -> Tensor:
    """Order candidates: the best of every bank, the second of every bank, ...

    Args:
        log_probs: (N, M), -inf for none.
        names: The same number for the same candidate, (N, M).
        banks: The fullest comes first, (N, M).

    Returns:
        Their places, (N, M); repeated and impossible ones come last.
    """
    places = torch.arange(log_probs.shape[1], device=log_probs.device)
    earlier = places[None, :] < places[:, None]  # The column before the row.
    possible = log_probs > -math.inf
    same = (names[:, :, None] == names[:, None, :]) & possible[:, None, :]
    possible = possible & ~(same & earlier).any(dim=2)
    ours, theirs = log_probs[:, :, None], log_probs[:, None, :]
    before = (theirs > ours) | ((theirs == ours) & earlier)
    rivals = (banks[:, :, None] == banks[:, None, :]) & possible[:, None, :]
    turn = (rivals & before).sum(dim=2)
    most = int(banks.max()) + 1
    last = turn.shape[1] * most
    return (
        (turn * most - banks).masked_fill(~possible, last).argsort(dim=1, stable=True)
    )
