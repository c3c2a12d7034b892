"""How likely a run finds given translations. Knows pairs of lines; not search.

Sums are taken with 64 bits, so a pair's score does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import torch

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.errors import UserError
from seq2seq.translate.batching import batch_by_length, read_buffers
from seq2seq.translate.input_splitting import encode_long
from seq2seq.types import PAD

Pair = tuple[str, str]

BATCH = 32


class SequenceScorer:
    """A trained run, or several, as a judge of translations.

    Args:
        engine: What computes.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
    """

    def __init__(self, engine: Engine, source: Tokenizer, target: Tokenizer) -> None:
        self.engine = engine
        self.source = source
        self.target = target

    @classmethod
    def load(
        cls, run: str | Path, *, ensemble: Sequence[str | Path] = ()
    ) -> SequenceScorer:
        """Load a run and those that speak with it.

        Raises:
            InputError: If one is no run, or their tokenizers differ.
        """
        runs = open_runs(run, ensemble)
        engine = load_engine(runs, precise=True)
        return cls(engine, runs[0].source, runs[0].target)

    def __call__(self, pairs: Iterable[Pair], *, batch: int = BATCH) -> Iterator[float]:
        """Score pairs, window by window.

        Args:
            pairs: Sources and their translations; blank ones are scored as well.
            batch: Pairs that share a batch, at most.

        Yields:
            Of each pair the log-probability of the translation's pieces and of its
            end, in nats, as the tokenizer cuts it.
        """
        for window in read_buffers(
            pairs, characters=lambda pair: len(pair[0] + pair[1])
        ):
            yield from self._window(window, batch)

    @torch.inference_mode()
    def _window(self, window: Sequence[Pair], batch: int) -> list[float]:
        sources = encode_long(self.source.encode, [pair[0] for pair in window])
        targets = encode_long(self.target.encode, [pair[1] for pair in window])
        found = [0.0] * len(window)
        lengths = [
            max(map(len, pair)) + 1 for pair in zip(sources, targets, strict=True)
        ]
        for rows in batch_by_length(lengths, sentences=batch):
            read = collate(
                [sources[row] for row in rows], [targets[row] for row in rows]
            )
            nats = self.engine.log_probs(read)
            sums = nats.masked_fill(read.targets == PAD, 0.0).sum(dim=1)
            for row, total in zip(rows, sums.tolist(), strict=True):
                found[row] = total
        return found


def zip_lines(
    sources: Iterable[str], targets: Iterable[str], *, names: tuple[str, str]
) -> Iterator[Pair]:
    """Read two sides line by line.

    Raises:
        InputError: If one side ends before the other, after the last whole pair.
    """
    both = enumerate(zip_longest(sources, targets))
    for count, (source, target) in both:
        if source is None or target is None:
            longer, shorter = names if target is None else names[::-1]
            raise UserError(
                f"{longer} has more lines than {shorter}, which has {count:,}; line i "
                "of one must translate line i of the other."
            )
        yield source, target
