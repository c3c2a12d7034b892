"""Parts of lines become hypotheses: batches, memory, samples, and what is asked.

Knows pieces, the search and one tokenizer; not lines, files or what computes a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine
from seq2seq.errors import InputError
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search, is_greedy
from seq2seq.search.constraints import Demands
from seq2seq.search.noise import sentence_key
from seq2seq.search.sampling import sample
from seq2seq.training.oom import out_of_memory
from seq2seq.translate import alignment, mbr
from seq2seq.translate.batching import batches
from seq2seq.translate.constraints import Wish, with_wishes
from seq2seq.translate.options import Options
from seq2seq.translate.thread_pool import side_by_side
from seq2seq.types import Hypothesis


class Part(NamedTuple):
    """A line, or what fits a network of it.

    Attributes:
        ids: Its pieces, at least one.
        surfaces: The same as text; empty where words need not be aligned.
        wish: What is asked of its translation, if anything.
        forced: Whether required phrases are put into it.
    """

    ids: list[int]
    surfaces: list[str]
    wish: Wish | None = None
    forced: bool = False


class Found(NamedTuple):
    """What the search made of a part.

    Attributes:
        part: What was translated.
        hypotheses: The best ones, best first.
    """

    part: Part
    hypotheses: list[Hypothesis]

    def without(self, faults: Sequence[str]) -> Found:
        """Leave out hypotheses with faults.

        Raises:
            InputError: If none is left.
        """
        kept = [h for h, f in zip(self.hypotheses, faults, strict=True) if not f]
        if not kept and self.part.wish:
            raise self.part.wish.not_met(faults[0])
        return self._replace(hypotheses=kept)

    def weights(self, rank: int) -> alignment.Weights:
        """Say what each piece read of each source piece, without either's EOS.

        Raises:
            InputError: If nothing was read, for lack of attention.
        """
        chosen = self.hypotheses[rank]
        if chosen.weights is None:
            raise InputError(
                "the run has no attention, so nothing aligns its words. Use one that "
                "was trained with attention, for example with "
                "-o model.attention.kind=general."
            )
        found: alignment.Weights = chosen.weights.float().numpy()
        return found[: len(chosen.pieces), : len(self.part.ids)]


@dataclass(frozen=True)
class Finder:
    """Searches for translations of parts.

    Attributes:
        engine: What computes.
        target: The target side's tokenizer.
        language: The target language.
        device: Where the engine computes, as torch names it.
    """

    engine: Engine
    target: Tokenizer
    language: str
    device: str

    @torch.inference_mode()
    def find(
        self, flat: Sequence[Part], search: SearchOptions, options: Options
    ) -> list[Found]:
        """Find the best hypotheses of each part.

        Args:
            flat: What to translate.
            search: How pieces are chosen.
            options: How lines are translated.

        Raises:
            InputError: If one does not fit in memory, or nothing is found that is as
                was asked.
        """
        found = self._round(flat, search, options)
        # What a phrase costs is paid only where a translation lacks it.
        again = [row for row, each in enumerate(found) if self._faults(each)]
        forced = [flat[row]._replace(forced=True) for row in again]
        for row, each in zip(again, self._round(forced, search, options), strict=True):
            faults = self._faults(each)
            found[row] = each.without(faults) if faults else each
        return found

    def _faults(self, found: Found) -> list[str]:
        """Say of each hypothesis what was asked and is not so; empty if all is."""
        wish = found.part.wish
        if wish is None:
            return []
        texts = self.target.decode([each.pieces for each in found.hypotheses])
        faults = [wish.fault(text) for text in texts]
        return faults if any(faults) else []

    def _round(
        self, flat: Sequence[Part], search: SearchOptions, options: Options
    ) -> list[Found]:
        """Search once for each part."""
        threads = torch.get_num_threads() if self.device == "cpu" else 1
        sentences = options.batch
        if options.mbr:
            sentences = min(sentences, max(1, mbr.SAMPLES_AT_ONCE // options.mbr))
        waiting = batches([len(part.ids) for part in flat], sentences=sentences)

        @torch.inference_mode()  # It holds for a thread.
        def attempt(rows: Sequence[int]) -> list[list[Hypothesis]] | None:
            """Search for some; None if they do not fit in memory."""
            try:
                return self._batch([flat[row] for row in rows], search, options)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if len(rows) > 1 or threads > 1:
                    return None
                raise InputError(
                    f"a line of {len(flat[rows[0]].ids):,} pieces does not fit in "
                    "memory. Lower --beam, --mbr or --max-length, or give it more."
                ) from error

        found: dict[int, Found] = {}
        while waiting:
            tried = side_by_side(attempt, waiting, threads=threads)
            halves: list[list[int]] = []
            for rows, best in zip(waiting, tried, strict=True):
                if best is None:
                    middle = (len(rows) + 1) // 2
                    halves += filter(None, (rows[:middle], rows[middle:]))
                    continue
                for row, hypotheses in zip(rows, best, strict=True):
                    found[row] = Found(flat[row], hypotheses)
            waiting, threads = halves, 1  # What did not fit has all memory now.
        return [found[row] for row in range(len(flat))]

    def _batch(
        self, some: Sequence[Part], search: SearchOptions, options: Options
    ) -> list[list[Hypothesis]]:
        """Search for some sentences at once."""
        sources = [part.ids for part in some]
        batch = collate(sources, [[] for _ in sources])
        source = batch.source.to(self.device)
        demands = Demands.by_ratio(batch.source_lengths.to(self.device), search)
        if any(part.wish for part in some):
            wishes = [part.wish for part in some]
            forced = [part.forced for part in some]
            demands = with_wishes(demands, wishes, forced, self.target)
        lengths = batch.source_lengths
        state, memory = self.engine.start(source, lengths, demands.asked())
        step = self.engine.step
        if search.method == "beam" and is_greedy(demands, search):
            step = partial(step, relative=True)
        given = (step, state, memory, demands, search)
        if search.method == "sample":
            keys = [sentence_key(ids) for ids in sources]
            drawn = sample(*given, keys=keys, samples=options.mbr or options.n_best)
            return [
                self._by_risk(each, options) if options.mbr else each for each in drawn
            ]
        return beam_search(*given, hypotheses=options.n_best, scored=options.scored)

    def _by_risk(self, samples: list[Hypothesis], options: Options) -> list[Hypothesis]:
        """Rank samples by how much the others are like them."""
        texts = self.target.decode([each.pieces for each in samples])
        ranked = mbr.by_risk(
            samples, texts, utility=options.utility, language=self.language
        )
        return ranked[: options.n_best]
