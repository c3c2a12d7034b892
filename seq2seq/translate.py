"""Lines in, lines out, in order: a trained run as a translator.

Knows runs, windows of lines and the search; not Lightning (whose import takes longer
than translating a page) and not scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

import torch

from seq2seq.data.translation import sorted_batches
from seq2seq.errors import InputError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.models.halving import halves, out_of_memory
from seq2seq.recipe import Recipe
from seq2seq.run_folder import RunFolder
from seq2seq.search.beam import beam_search
from seq2seq.search.demands import Demands
from seq2seq.structures import Batch
from seq2seq.text.tokenizer import Tokenizer
from seq2seq.weights import network_weights, read_checkpoint

WINDOW = 2000  # Lines read before any is translated; what bounds the memory.
LINE_AT_MOST = 100_000  # Characters; SentencePiece ends the process on far longer ones.
BATCH_TOKENS = 1024  # Padded source pieces in a batch.


class Translator:
    """A trained run that translates lines.

    Args:
        recipe: What the run was trained from.
        network: The trained network.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: EncoderDecoder,
        source: Tokenizer,
        target: Tokenizer,
    ) -> None:
        self.recipe = recipe
        self.network = network.eval()
        self.source = source
        self.target = target

    @classmethod
    def load(cls, run: str | Path, *, checkpoint: str = "best") -> Translator:
        """Load a run.

        Args:
            run: The run folder.
            checkpoint: best or last.

        Raises:
            InputError: If the folder holds no run, or its files are damaged.
        """
        folder = RunFolder(Path(run))
        recipe = folder.read_recipe()
        source, target = folder.read_tokenizers()
        network = EncoderDecoder(
            recipe.model, source_pieces=len(source), target_pieces=len(target)
        )
        path = folder.best if checkpoint == "best" else folder.last
        if not path.is_file() and folder.last.is_file():
            path = folder.last
        try:
            network.load_state_dict(network_weights(read_checkpoint(path)))
        except RuntimeError as error:
            raise InputError(
                f"{path} does not fit {folder.recipe}: {str(error).splitlines()[-1]}"
            ) from error
        return cls(recipe, network, source, target)

    def __call__(
        self, lines: Iterable[str], *, beam_size: int | None = None
    ) -> list[str]:
        """Translate lines: as many come out, in order, a blank for a blank."""
        return list(self.stream(lines, beam_size=beam_size))

    def stream(
        self, lines: Iterable[str], *, beam_size: int | None = None
    ) -> Iterator[str]:
        """Translate an endless input, window by window.

        Args:
            lines: Source text.
            beam_size: Hypotheses kept at each step; the recipe's if None.

        Raises:
            InputError: If a line is far too long, or does not fit in memory.
        """
        waiting = map(_of_a_length, lines, count(1))
        while window := list(islice(waiting, WINDOW)):
            yield from self._window(window, beam_size or self.recipe.search.beam_size)

    def _window(self, lines: list[str], beam_size: int) -> list[str]:
        """Translate sorted by length, return in the order that came."""
        translations = [""] * len(lines)
        encoded = self.source.encode(lines)
        numbers = [
            i
            for i, (line, ids) in enumerate(zip(lines, encoded, strict=True))
            if ids and line.strip()
        ]
        if not numbers:
            return translations
        batches = sorted_batches(
            [encoded[number] for number in numbers],
            [[] for _ in numbers],
            batch_tokens=BATCH_TOKENS,
        )
        for batch in batches:
            found = self._fitting(batch, beam_size)
            for row, text in zip(batch.rows.tolist(), found, strict=True):
                # One line each, whatever a byte piece may spell.
                translations[numbers[row]] = text.replace("\n", " ").replace("\r", " ")
        return translations

    def _fitting(self, batch: Batch, beam_size: int) -> list[str]:
        """Translate a batch, in halves where memory is full."""
        try:
            return self._batch(batch, beam_size)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        if len(batch.source) == 1:
            raise InputError(
                f"a line of {batch.source.shape[1]:,} pieces does not fit in memory. "
                "Cut it into sentences, lower --beam, or give it more memory."
            )
        first, second = (self._fitting(half, beam_size) for half in halves(batch))
        return first + second

    @torch.inference_mode()
    def _batch(self, batch: Batch, beam_size: int) -> list[str]:
        encoded = self.network.encoder(batch.source, batch.source_lengths)
        state, memory = self.network.start(encoded)
        search = self.recipe.search.model_copy(update={"beam_size": beam_size})
        demands = Demands.by_ratio(batch.source_lengths, search)
        best = beam_search(self.network.step, state, memory, demands, search)
        return self.target.decode([hypotheses[0].pieces for hypotheses in best])


def _of_a_length(line: str, number: int) -> str:
    if len(line) > LINE_AT_MOST:
        raise InputError(
            f"line {number:,} has {len(line):,} characters; {LINE_AT_MOST:,} is the "
            "most. Cut it into sentences."
        )
    return line
