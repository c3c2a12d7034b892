"""Vocabulary selection: score only the target tokens that the source makes likely.

RUN/shortlist/ holds table.npz, the lexical table, and its SHA-256.

Source: Jean et al. 2015, section 3.2; Junczys-Dowmunt et al. 2018 (Marian: on a CPU),
section 4 (shortlists).
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seq2seq.data.ibm_model1 import LexicalTable
from seq2seq.engines.engine import FeatureEngine, RequiredTokens
from seq2seq.engines.prepacked_decoder import PrepackedLinear
from seq2seq.errors import UserError
from seq2seq.nn.loss import log_softmax
from seq2seq.types import EOS, PAD, UNK, Batch, StepOutput
from seq2seq.utils.checksums import require_checksums, write_checksums
from seq2seq.utils.files import atomic_file

FOLDER, TABLE = "shortlist", "table.npz"

NUM_FREQUENT = 100
"""The most frequent target tokens, which every shortlist contains."""


class ShortlistMemory(NamedTuple):
    """The engine's memory and the shortlists of a batch.

    Attributes:
        memory: The engine's memory.
        token_ids: Union of all shortlists, ascending, (C,).
        output_layer: The rows of the output layer for these tokens.
        unlisted: True where a token is not in a sentence's shortlist, (N, C).
    """

    memory: Any
    token_ids: Tensor
    output_layer: nn.Module
    unlisted: Tensor

    def select(self, rows: Tensor) -> ShortlistMemory:
        """Select these sentences."""
        return self._replace(
            memory=self.memory.select(rows), unlisted=self.unlisted[rows]
        )


class ShortlistEngine:
    """An engine that scores only a shortlist of the target vocabulary.

    A shortlist is the likeliest translations of each source token, the most frequent
    tokens, UNK and EOS. Probabilities are normalised over a sentence's own shortlist,
    so they do not depend on the rest of the batch.

    Args:
        engine: Encodes and takes steps.
        output_layer: Its output layer over the whole vocabulary, on the CPU.
        table: The lexical table.
        size: Target tokens per source token.

    Source: Jean et al. 2015, section 3.2; Junczys-Dowmunt et al. 2018 (Marian: on a
    CPU), section 4.
    """

    def __init__(
        self,
        engine: FeatureEngine,
        output_layer: nn.Linear,
        table: LexicalTable,
        *,
        size: int,
    ) -> None:
        self.engine = engine
        self._output_layer = output_layer
        top_targets = torch.from_numpy(table.top_targets).long()[:, :size]
        # PAD is in no shortlist, so it can fill rows with fewer tokens.
        self._top_targets = top_targets.clamp(min=PAD)
        self._top_targets[PAD] = PAD
        frequent = torch.from_numpy(table.frequent).long()[:NUM_FREQUENT]
        self._always_listed = torch.cat([torch.tensor([UNK, EOS]), frequent])
        self._vocab_size = len(table.frequent)

    def shortlist_mask(
        self, source: Tensor, required_tokens: RequiredTokens = ()
    ) -> Tensor:
        """Return a mask that is True at the tokens of each shortlist, (N, V).

        Args:
            source: Tokens and EOS, padded on the right, (N, S).
            required_tokens: Further tokens to list for each sentence.
        """
        mask = torch.zeros(len(source), self._vocab_size, dtype=torch.bool)
        mask.scatter_(1, self._top_targets[source].flatten(1), True)
        mask[:, self._always_listed] = True
        for row, tokens in enumerate(required_tokens):
            mask[row, list(tokens)] = True
        mask[:, PAD] = False
        return mask

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, ShortlistMemory]:
        """Encode source sentences and slice the output layer."""
        state, memory = self.engine.start(source, lengths)
        mask = self.shortlist_mask(source, required_tokens)  # (N, V)
        token_ids = mask.any(dim=0).nonzero()[:, 0]  # (C,)
        weight, bias = self._output_layer.weight, self._output_layer.bias
        output_layer: nn.Module
        try:
            output_layer = PrepackedLinear(weight[token_ids], bias[token_ids])
        except RuntimeError:
            output_layer = nn.Linear(weight.shape[1], len(token_ids))
            output_layer.weight = nn.Parameter(weight[token_ids])
            output_layer.bias = nn.Parameter(bias[token_ids])
        unlisted = ~mask[:, token_ids]
        return state, ShortlistMemory(memory, token_ids, output_layer, unlisted)

    def step(
        self,
        last_tokens: Tensor,
        state: Any,
        memory: ShortlistMemory,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[Any]:
        """Take one decoding step; unlisted tokens get -inf."""
        output = self.engine.step_features(last_tokens, state, memory.memory)
        scores = memory.output_layer(output.features)  # (R, C)
        rows_per_sentence = len(last_tokens) // len(memory.unlisted)
        unlisted = memory.unlisted.repeat_interleave(rows_per_sentence, dim=0)
        scores = scores.masked_fill_(unlisted, -math.inf)
        if not unnormalized:
            scores = log_softmax(scores)
        log_probs = scores.new_full((len(last_tokens), self._vocab_size), -math.inf)
        log_probs.scatter_(1, memory.token_ids.expand(len(last_tokens), -1), scores)
        return StepOutput(log_probs, output.state, output.attention, unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Raise: given targets are scored over the whole vocabulary."""
        raise UserError("a shortlist is for searching; score without --shortlist.")


def save_table(run: Path, table: LexicalTable) -> Path:
    """Write a lexical table to a run folder atomically; return its path."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    with atomic_file(folder / TABLE) as file:
        np.savez(file, **table._asdict())
    write_checksums(folder, [TABLE])
    return folder / TABLE


def load_table(
    run: Path, *, source_vocab_size: int, target_vocab_size: int
) -> LexicalTable:
    """Read the lexical table of a run.

    Raises:
        UserError: If there is none, or it is damaged or of other vocabularies.
    """
    folder = run / FOLDER
    if not folder.is_dir():
        raise UserError(f"{run} has no shortlist. First: seq2seq shortlist {run}")
    require_checksums(folder, [TABLE])
    try:
        with np.load(folder / TABLE, allow_pickle=False) as arrays:
            top_targets, frequent = arrays["top_targets"], arrays["frequent"]
            table = LexicalTable(top_targets, frequent, int(arrays["num_pairs"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{folder / TABLE} is damaged; make it again with seq2seq shortlist {run}."
        ) from error
    shapes: tuple[Any, ...] = (len(top_targets), frequent.shape, top_targets.ndim)
    max_id = max(top_targets.max(initial=0), frequent.max(initial=0))
    if (
        shapes != (source_vocab_size, (target_vocab_size,), 2)
        or max_id >= target_vocab_size
    ):
        raise UserError(
            f"{folder / TABLE} is of other vocabularies than {run} has; make it again "
            f"with seq2seq shortlist {run}."
        )
    return table
