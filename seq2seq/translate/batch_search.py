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
from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search, is_greedy
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.noise import sentence_seed
from seq2seq.search.sampling import sample
from seq2seq.training.oom import is_oom_error
from seq2seq.translate import alignment, mbr
from seq2seq.translate.batching import batch_by_length
from seq2seq.translate.constraints import TokenizedConstraints, add_constraints
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.thread_pool import map_threads
from seq2seq.types import Hypothesis


class Segment(NamedTuple):
    """A line, or what fits a network of it.

    Attributes:
        ids: Its pieces, at least one.
        surfaces: The same as text; empty where words need not be aligned.
        wish: What is asked of its translation, if anything.
        forced: Whether required phrases are put into it.
    """

    ids: list[int]
    surfaces: list[str]
    wish: TokenizedConstraints | None = None
    forced: bool = False


class SegmentResult(NamedTuple):
    """What the search made of a part.

    Attributes:
        part: What was translated.
        hypotheses: The best ones, best first.
    """

    part: Segment
    hypotheses: list[Hypothesis]

    def without(self, faults: Sequence[str]) -> SegmentResult:
        """Leave out hypotheses with faults.

        Raises:
            InputError: If none is left.
        """
        kept = [h for h, f in zip(self.hypotheses, faults, strict=True) if not f]
        if not kept and self.part.wish:
            raise self.part.wish.unsatisfied_error(faults[0])
        return self._replace(hypotheses=kept)

    def weights(self, rank: int) -> alignment.Weights:
        """Say what each piece read of each source piece, without either's EOS.

        Raises:
            InputError: If nothing was read, for lack of attention.
        """
        chosen = self.hypotheses[rank]
        if chosen.attention is None:
            raise UserError(
                "the run has no attention, so nothing aligns its words. Use one that "
                "was trained with attention, for example with "
                "-o model.attention.kind=general."
            )
        found: alignment.Weights = chosen.attention.float().numpy()
        return found[: len(chosen.tokens), : len(self.part.ids)]


@dataclass(frozen=True)
class BatchSearcher:
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
    def search(
        self,
        flat: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
    ) -> list[SegmentResult]:
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

    def _faults(self, found: SegmentResult) -> list[str]:
        """Say of each hypothesis what was asked and is not so; empty if all is."""
        wish = found.part.wish
        if wish is None:
            return []
        texts = self.target.decode([each.tokens for each in found.hypotheses])
        faults = [wish.violation(text) for text in texts]
        return faults if any(faults) else []

    def _round(
        self,
        flat: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
    ) -> list[SegmentResult]:
        """Search once for each part."""
        threads = torch.get_num_threads() if self.device == "cpu" else 1
        sentences = options.batch
        if options.mbr:
            sentences = min(sentences, max(1, mbr.SAMPLES_AT_ONCE // options.mbr))
        waiting = batch_by_length([len(part.ids) for part in flat], sentences=sentences)

        @torch.inference_mode()  # It holds for a thread.
        def attempt(rows: Sequence[int]) -> list[list[Hypothesis]] | None:
            """Search for some; None if they do not fit in memory."""
            try:
                return self._batch([flat[row] for row in rows], search, options)
            except (RuntimeError, MemoryError) as error:
                if not is_oom_error(error):
                    raise
                if len(rows) > 1 or threads > 1:
                    return None
                raise UserError(
                    f"a line of {len(flat[rows[0]].ids):,} pieces does not fit in "
                    "memory. Lower --beam, --mbr or --max-length, or give it more."
                ) from error

        found: dict[int, SegmentResult] = {}
        while waiting:
            tried = map_threads(attempt, waiting, threads=threads)
            halves: list[list[int]] = []
            for rows, best in zip(waiting, tried, strict=True):
                if best is None:
                    middle = (len(rows) + 1) // 2
                    halves += filter(None, (rows[:middle], rows[middle:]))
                    continue
                for row, hypotheses in zip(rows, best, strict=True):
                    found[row] = SegmentResult(flat[row], hypotheses)
            waiting, threads = halves, 1  # What did not fit has all memory now.
        return [found[row] for row in range(len(flat))]

    def _batch(
        self,
        some: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
    ) -> list[list[Hypothesis]]:
        """Search for some sentences at once."""
        sources = [part.ids for part in some]
        batch = collate(sources, [[] for _ in sources])
        source = batch.source.to(self.device)
        demands = DecodingConstraints.from_length_ratio(
            batch.source_lengths.to(self.device), search
        )
        if any(part.wish for part in some):
            wishes = [part.wish for part in some]
            forced = [part.forced for part in some]
            demands = add_constraints(demands, wishes, forced, self.target)
        lengths = batch.source_lengths
        state, memory = self.engine.start(source, lengths, demands.constrained_tokens())
        step = self.engine.step
        if search.method == "beam" and is_greedy(demands, search):
            step = partial(step, unnormalized=True)
        given = (step, state, memory, demands, search)
        if search.method == "sample":
            keys = [sentence_seed(ids) for ids in sources]
            drawn = sample(*given, keys=keys, samples=options.mbr or options.n_best)
            return [
                self._by_risk(each, options) if options.mbr else each for each in drawn
            ]
        return beam_search(*given, hypotheses=options.n_best, scored=options.scored)

    def _by_risk(
        self, samples: list[Hypothesis], options: TranslationOptions
    ) -> list[Hypothesis]:
        """Rank samples by how much the others are like them."""
        texts = self.target.decode([each.tokens for each in samples])
        ranked = mbr.rerank_mbr(
            samples, texts, utility=options.utility, language=self.language
        )
        return ranked[: options.n_best]
