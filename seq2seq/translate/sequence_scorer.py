"""Log-probabilities of given translations (forced decoding).

Sums are computed in float64, so a pair's score does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import torch

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine
from seq2seq.engines.factory import engine_devices, load_engine, open_runs
from seq2seq.errors import misaligned_error
from seq2seq.tasks.text_vocabulary import TextVocabulary
from seq2seq.translate.batching import batch_by_length, read_buffers
from seq2seq.translate.input_splitting import encode_long
from seq2seq.types import PAD

SentencePair = tuple[str, str]

BATCH_SIZE = 32


class SequenceScorer:
    """Scores translations with a trained run or an ensemble.

    Args:
        engine: Computes log-probabilities.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
        device: The engine's device, as torch names it.
    """

    def __init__(
        self,
        engine: Engine,
        source: Tokenizer | TextVocabulary,
        target: Tokenizer | TextVocabulary,
        *,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.engine = engine
        self.source = source
        self.target = target

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        ensemble: Sequence[str | Path] = (),
        device: str = "auto",
        to: str | None = None,
    ) -> SequenceScorer:
        """Load a run and further members of an ensemble.

        Args:
            run: The run folder, or a checkpoint in one.
            ensemble: Further runs or checkpoints, whose probabilities are averaged.
            device: cpu, cuda, cuda:1 or auto, a GPU if there is one.
            to: The target language, of a run with several.

        Raises:
            UserError: If one is no run, their tokenizers differ, or there is no such
                device.
        """
        (device,) = engine_devices(device).names
        runs = open_runs(run, ensemble)
        engine = load_engine(runs, precise=True, device=device)
        tokenizers = runs[0].task.into(to).tokenizers
        return cls(engine, tokenizers.source, tokenizers.target, device=device)

    def __call__(
        self, pairs: Iterable[SentencePair], *, batch_size: int = BATCH_SIZE
    ) -> Iterator[float]:
        """Score sentence pairs.

        Args:
            pairs: Sources and their translations; blank ones are scored as well.
            batch_size: Maximal number of pairs in a batch.

        Yields:
            For each pair the log-probability, in nats, of the translation's tokens and
            EOS, as the tokenizer segments it.
        """
        for buffer in read_buffers(
            pairs, num_characters=lambda pair: len(pair[0] + pair[1])
        ):
            yield from self._score(buffer, batch_size)

    @torch.inference_mode()
    def _score(self, pairs: Sequence[SentencePair], batch_size: int) -> list[float]:
        sources = encode_long(self.source.encode, [source for source, _ in pairs])
        targets = encode_long(self.target.encode, [target for _, target in pairs])
        scores = [0.0] * len(pairs)
        lengths = [
            max(map(len, pair)) + 1 for pair in zip(sources, targets, strict=True)
        ]
        for indices in batch_by_length(lengths, batch_size=batch_size):
            batch = collate(
                [sources[index] for index in indices],
                [targets[index] for index in indices],
            ).to(self.device)
            log_probs = self.engine.log_probs(batch)  # (N, T)
            totals = log_probs.masked_fill(batch.targets == PAD, 0.0).sum(dim=1)
            for index, total in zip(indices, totals.tolist(), strict=True):
                scores[index] = total
        return scores


def zip_lines(
    sources: Iterable[str], targets: Iterable[str], *, names: tuple[str, str]
) -> Iterator[SentencePair]:
    """Pair the lines of two files.

    Raises:
        UserError: If one side ends before the other, after the last complete pair.
    """
    for count, (source, target) in enumerate(zip_longest(sources, targets)):
        if source is None or target is None:
            longer, shorter = names if target is None else names[::-1]
            raise misaligned_error(
                f"{longer} has more lines than {shorter}, which has {count:,}"
            )
        yield source, target
