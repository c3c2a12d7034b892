"""Batched search over segments: batch sizes, out-of-memory errors, MBR, constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine
from seq2seq.errors import UserError
from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_search import beam_search, is_greedy
from seq2seq.search.constraints import DecodingConstraints
from seq2seq.search.sampling import sample, sentence_seed
from seq2seq.search.watcher import SearchWatcher
from seq2seq.translate import mbr
from seq2seq.translate.batching import batch_by_length
from seq2seq.translate.constraints import add_constraints
from seq2seq.translate.input_splitting import Segment
from seq2seq.translate.options import TranslationOptions
from seq2seq.translate.thread_pool import map_threads
from seq2seq.types import Hypothesis
from seq2seq.utils.memory import is_oom_error


@dataclass(frozen=True)
class BatchSearcher:
    """Searches for the translations of segments.

    Attributes:
        engine: Computes the decoder's steps.
        target: The target side's tokenizer.
        language: The target language.
        device: The engine's device, as torch names it.
        watcher: Receives every step of beam search, if any: batch by batch, and where
            required phrases cost a second search, that one as well.
    """

    engine: Engine
    target: Tokenizer
    language: str
    device: str
    watcher: SearchWatcher | None = None

    @torch.inference_mode()
    def search(
        self,
        segments: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
        on_batch: Callable[[float], None] | None = None,
    ) -> list[list[Hypothesis] | UserError]:
        """Return the best hypotheses of each segment, best first, or its error.

        Required phrases cost a second search, only for segments that lack one.

        Args:
            segments: Source segments.
            search: Search options.
            options: Translation options.
            on_batch: Called after each batch with the share of the source tokens that
                are searched, 0 to 1.

        Raises:
            UserError: Unless on_error is return: if one does not fit in memory, or no
                hypothesis satisfies its constraints.
        """
        results = self._search_once(segments, search, options, on_batch)
        retried = [
            index
            for index, segment in enumerate(segments)
            if self._violations(segment, results[index])
        ]
        forced = [segments[index]._replace(force_required=True) for index in retried]
        retries = self._search_once(forced, search, options)
        for index, segment, result in zip(retried, forced, retries, strict=True):
            results[index] = result
            violations = self._violations(segment, result)
            if not violations or isinstance(result, UserError):
                continue
            if segment.constraints and all(violations):
                error = segment.constraints.unsatisfied_error(violations[0])
                results[index] = _raise_or_return(error, options)
                continue
            results[index] = [
                hypothesis
                for hypothesis, violation in zip(result, violations, strict=True)
                if not violation
            ]
        return results

    def _violations(
        self, segment: Segment, hypotheses: Sequence[Hypothesis] | UserError
    ) -> list[str]:
        """Return each hypothesis' violated constraints; an empty list if none is."""
        if segment.constraints is None or isinstance(hypotheses, UserError):
            return []
        texts = self.target.decode([hypothesis.tokens for hypothesis in hypotheses])
        violations = [segment.constraints.violation(text) for text in texts]
        return violations if any(violations) else []

    def _search_once(
        self,
        segments: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
        on_batch: Callable[[float], None] | None = None,
    ) -> list[list[Hypothesis] | UserError]:
        """Search batch by batch; a batch that does not fit in memory is halved.

        Segments with constraints have batches of their own, and those whose
        constraints do not fit into a translation are in none.
        """
        results: dict[int, list[Hypothesis] | UserError] = {}
        free: list[int] = []
        constrained: list[int] = []
        for index, segment in enumerate(segments):
            if segment.constraints is None:
                free.append(index)
                continue
            limits = DecodingConstraints.from_length_ratio(
                torch.tensor([len(segment.ids) + 1]), search
            ).max_lengths
            try:
                segment.constraints.check_fits(
                    int(limits[0]), force_required=segment.force_required
                )
                constrained.append(index)
            except UserError as error:
                results[index] = _raise_or_return(error, options)
        threads = torch.get_num_threads() if self.device == "cpu" else 1
        batch_size = options.batch_size
        if options.mbr_samples:
            fitting = mbr.MAX_SAMPLES_PER_BATCH // options.mbr_samples
            batch_size = min(batch_size, max(1, fitting))
        pending = [
            [group[position] for position in positions]
            for group in (free, constrained)
            for positions in batch_by_length(
                [len(segments[index].ids) for index in group], batch_size=batch_size
            )
        ]

        @torch.inference_mode()  # It holds for a thread.
        def search_indices(
            indices: Sequence[int],
        ) -> Sequence[list[Hypothesis] | UserError] | None:
            """Search one batch; None if it does not fit in memory."""
            batch = [segments[index] for index in indices]
            try:
                return self._search_batch(batch, search, options)
            except (RuntimeError, MemoryError) as error:
                if not is_oom_error(error):
                    raise
                if len(indices) > 1 or threads > 1:
                    return None
                refusal = UserError(
                    f"a line of {len(batch[0].ids):,} tokens does not fit in memory. "
                    "Lower --beam, --mbr-samples or --max-input-length (in Python "
                    "search.beam_size, mbr_samples, max_input_length), or give it more."
                )
                return [_raise_or_return(refusal, options)]

        num_tokens, num_searched = sum(len(s.ids) for s in segments), 0
        while pending:
            outputs = map_threads(search_indices, pending, threads=threads)
            halves: list[list[int]] = []
            for indices, output in zip(pending, outputs, strict=True):
                if output is None:
                    middle = (len(indices) + 1) // 2
                    halves += filter(None, (indices[:middle], indices[middle:]))
                else:
                    results.update(zip(indices, output, strict=True))
                    num_searched += sum(len(segments[index].ids) for index in indices)
                    if on_batch is not None:
                        on_batch(num_searched / num_tokens)
            pending, threads = halves, 1  # What did not fit has all memory now.
        return [results[index] for index in range(len(segments))]

    def _search_batch(
        self,
        segments: Sequence[Segment],
        search: SearchOptions,
        options: TranslationOptions,
    ) -> list[list[Hypothesis]]:
        """Search one batch of segments."""
        sources = [segment.ids for segment in segments]
        batch = collate(sources, [[] for _ in sources])
        source = batch.source.to(self.device)  # (N, S)
        constraints = DecodingConstraints.from_length_ratio(
            batch.source_lengths.to(self.device), search
        )
        if any(segment.constraints for segment in segments):
            constraints = add_constraints(
                constraints,
                [segment.constraints for segment in segments],
                [segment.force_required for segment in segments],
                self.target,
            )
        state, memory = self.engine.start(
            source, batch.source_lengths, constraints.constrained_tokens()
        )
        step = self.engine.step
        if search.method == "beam" and is_greedy(constraints, search):
            step = partial(step, unnormalized=True)
        arguments = (step, state, memory, constraints, search)
        if search.method == "beam":
            joined = any(segment.joined for segment in segments)
            return beam_search(
                *arguments,
                num_hypotheses=search.beam_size if joined else options.n_best,
                scored=options.return_scores or options.token_log_probs,
                token_log_probs=options.token_log_probs,
                watcher=self.watcher,
            )
        seeds = [sentence_seed(ids) for ids in sources]
        num_samples = options.mbr_samples or options.n_best
        samples = sample(*arguments, seeds=seeds, num_samples=num_samples)
        if options.mbr_samples:
            return [self._rerank_mbr(hypotheses, options) for hypotheses in samples]
        return samples

    def _rerank_mbr(
        self, samples: list[Hypothesis], options: TranslationOptions
    ) -> list[Hypothesis]:
        texts = self.target.decode([hypothesis.tokens for hypothesis in samples])
        ranked = mbr.rerank_mbr(
            samples, texts, metric=options.mbr_metric, language=self.language
        )
        return ranked[: options.n_best]


def _raise_or_return(error: UserError, options: TranslationOptions) -> UserError:
    if options.on_error == "raise":
        raise error
    return error
