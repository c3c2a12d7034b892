"""Saying only pieces that the source makes likely: the rest are not even scored.

Knows an engine's steps and a lexical table on disk; not lines or search. RUN/shortlist/
holds table.npz and its SHA-256 sum.
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

FREQUENT = 100
"""The most frequent target pieces are in every list."""


class ShortlistMemory(NamedTuple):
    """What a search may read, and the pieces that it may say.

    Attributes:
        memory: The engine's own.
        ids: All pieces of all lists, rising, (C,).
        output: Scores these.
        unlisted: True where a piece is not in a sentence's own list, (N, C).
    """

    memory: Any
    ids: Tensor
    output: nn.Module
    unlisted: Tensor

    def select(self, rows: Tensor) -> ShortlistMemory:
        """Keep these sentences."""
        return self._replace(
            memory=self.memory.select(rows), unlisted=self.unlisted[rows]
        )


class ShortlistEngine:
    """An engine that chooses among the likeliest pieces of each source.

    A list has what the table says of each source piece, the most frequent pieces, UNK
    and EOS. Probabilities are of the pieces in a sentence's own list and sum to one
    over it, so what shares a batch with it changes nothing.

    Args:
        engine: What reads sources and takes steps.
        output: What it scores all pieces by, on the CPU.
        table: What is likely.
        size: Target pieces taken for each source piece.

    Source: Jean et al. 2015, section 3.2; Junczys-Dowmunt et al. 2018 (Marian: on a
    CPU), section 4.
    """

    def __init__(
        self,
        engine: FeatureEngine,
        output: nn.Linear,
        table: LexicalTable,
        *,
        size: int,
    ) -> None:
        self.engine = engine
        self._output = output
        likeliest = torch.from_numpy(table.top_targets).long()[:, :size]
        # PAD is in no list, so it can stand where there is nothing.
        self._likeliest = likeliest.clamp(min=PAD)
        self._likeliest[PAD] = PAD
        frequent = torch.from_numpy(table.frequent).long()[:FREQUENT]
        self._always = torch.cat([torch.tensor([UNK, EOS]), frequent])
        self._pieces = len(table.frequent)

    def lists(self, source: Tensor, required_tokens: RequiredTokens = ()) -> Tensor:
        """Tell which pieces each sentence may say, (N, V).

        Args:
            source: Pieces and EOS, padded on the right, (N, S).
            required_tokens: Pieces that each sentence may say besides.
        """
        listed = torch.zeros(len(source), self._pieces, dtype=torch.bool)
        listed.scatter_(1, self._likeliest[source].flatten(1), True)
        listed[:, self._always] = True
        for row, pieces in enumerate(required_tokens):
            listed[row, list(pieces)] = True
        listed[:, PAD] = False
        return listed

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[Any, ShortlistMemory]:
        """Read sources."""
        state, memory = self.engine.start(source, lengths)
        listed = self.lists(source, required_tokens)
        ids = listed.any(dim=0).nonzero()[:, 0]
        whole = self._output
        output: nn.Module
        try:
            output = PrepackedLinear(whole.weight[ids], whole.bias[ids])
        except RuntimeError:
            output = nn.Linear(whole.in_features, len(ids))
            output.weight = nn.Parameter(whole.weight[ids])
            output.bias = nn.Parameter(whole.bias[ids])
        return state, ShortlistMemory(memory, ids, output, ~listed[:, ids])

    def step(
        self,
        last: Tensor,
        state: Any,
        memory: ShortlistMemory,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[Any]:
        """Take one step of a search; pieces that are not in a list get -inf."""
        found = self.engine.features(last, state, memory.memory)
        scores = memory.output(found.features)
        each = len(last) // len(memory.unlisted)
        unlisted = memory.unlisted.repeat_interleave(each, dim=0)
        said = scores.masked_fill_(unlisted, -math.inf)
        if not unnormalized:
            said = log_softmax(said)
        log_probs = said.new_full((len(last), self._pieces), -math.inf)
        log_probs.scatter_(1, memory.ids.expand(len(last), -1), said)
        return StepOutput(log_probs, found.state, found.attention, unnormalized)

    def log_probs(self, batch: Batch) -> Tensor:
        """Refuse."""
        raise UserError("a short list is for searching; score without --shortlist.")


def save_table(run: Path, table: LexicalTable) -> Path:
    """Write a table into a run folder, whole or not at all; return where."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    with atomic_file(folder / TABLE) as file:
        np.savez(file, **table._asdict())
    write_checksums(folder, [TABLE])
    return folder / TABLE


def load_table(
    run: Path, *, source_vocab_size: int, target_vocab_size: int
) -> LexicalTable:
    """Read a run's table.

    Raises:
        InputError: If there is none, or it is damaged or of other vocabularies.
    """
    folder = run / FOLDER
    if not folder.is_dir():
        raise UserError(f"{run} has no short list. First: seq2seq shortlist {run}")
    require_checksums(folder, [TABLE])
    try:
        with np.load(folder / TABLE, allow_pickle=False) as found:
            likeliest, frequent = found["top_targets"], found["frequent"]
            table = LexicalTable(likeliest, frequent, int(found["pairs"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{folder / TABLE} is damaged; make it again with seq2seq shortlist {run}."
        ) from error
    shapes: tuple[Any, ...] = (len(likeliest), frequent.shape, likeliest.ndim)
    ids = likeliest.max(initial=0), frequent.max(initial=0)
    if (
        shapes != (source_vocab_size, (target_vocab_size,), 2)
        or max(ids) >= target_vocab_size
    ):
        raise UserError(
            f"{folder / TABLE} is of other vocabularies than {run} has; make it again "
            f"with seq2seq shortlist {run}."
        )
    return table
