"""Lines in, lines out, in order: a trained run as a translator.

Knows windows of lines, pieces and the search; not files, forms of input, or what
computes a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.engines.engine import Engine, TorchEngine
from seq2seq.engines.factory import load_engine, open_runs
from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.recipe import Recipe
from seq2seq.translate import alignment, mbr
from seq2seq.translate.batch_search import BatchSearcher, Segment, SegmentResult
from seq2seq.translate.batching import read_buffers
from seq2seq.translate.constraints import (
    TranslationRequest,
    check_supported,
    tokenize_constraints,
)
from seq2seq.translate.input_splitting import encode_long, separator, split_long_input
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
    load_search_options,
)
from seq2seq.types import UNK


class Translator:
    """A trained run that translates lines. It keeps nothing between calls.

    Args:
        recipe: What the run was trained from.
        engine: What computes.
        source: The source side's tokenizer.
        target: The target side's tokenizer.
        device: Where the engine computes, as torch names it.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        source: Tokenizer,
        target: Tokenizer,
        *,
        device: str = "cpu",
    ) -> None:
        self.recipe = recipe
        self.engine = engine
        self.source = source
        self.target = target
        self.device = device

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        ensemble: Sequence[str | Path] = (),
        engine: str = "torch",
        checkpoint: str = "best",
        device: str = "cpu",
        overrides: Sequence[str] = (),
        shortlist: int | None = None,
    ) -> Translator:
        """Load a run.

        Args:
            run: The run folder, or a checkpoint in one.
            ensemble: Others that decide with it on every piece; how to search is said
                by the first run's recipe.
            engine: torch, onnx or onnx-int8; for the latter the runs must have been
                exported.
            checkpoint: best or last, where folders are named.
            device: Where torch computes: cpu, cuda, cuda:1.
            overrides: Keys of the recipe's search section that are to be otherwise, as
                in `search.beam_size=1`.
            shortlist: Target pieces to choose from for each source piece; all if None.

        Raises:
            InputError: If a folder holds no run, or its files are damaged, or the
                runs' tokenizers differ, or an override is wrong.
        """
        runs = open_runs(run, ensemble, checkpoint=checkpoint)
        first = runs[0]
        recipe = first.recipe
        if overrides:
            search = load_search_options(first.folder.recipe, overrides)
            recipe = recipe.model_copy(update={"search": search})
        computing = load_engine(runs, engine, device=device, shortlist=shortlist)
        return cls(recipe, computing, first.source, first.target, device=device)

    @property
    def network(self) -> EncoderDecoder:
        """The network, for who looks into it.

        Raises:
            InputError: If several runs or another runtime compute.
        """
        if not isinstance(self.engine, TorchEngine):
            raise UserError("only a single run on torch has a network to look into.")
        return self.engine.network

    def __call__(
        self,
        lines: Iterable[str | TranslationRequest],
        *,
        beam_size: int | None = None,
        options: TranslationOptions | None = None,
    ) -> list[str]:
        """Translate lines: as many come out, in order, a blank for a blank."""
        chosen = options or TranslationOptions()
        chosen = replace(chosen, first=chosen.window)  # Nobody waits for the first.
        return list(self.stream(lines, beam_size=beam_size, options=chosen))

    def stream(
        self,
        lines: Iterable[str | TranslationRequest],
        *,
        beam_size: int | None = None,
        options: TranslationOptions | None = None,
    ) -> Iterator[str]:
        """Translate an endless input, window by window.

        Args:
            lines: Source text, or requests that ask something of its translation.
            beam_size: Hypotheses kept at each step; the options' if None.
            options: How to translate.
        """
        chosen = replace(options or TranslationOptions(), scored=False)
        if beam_size is not None:
            chosen = self.with_beam_size(chosen, beam_size)
        for window in read_buffers(
            lines,
            characters=lambda line: len(_text(line)),
            largest=chosen.window,
            first=chosen.first,
        ):
            for translation in self.translate_batch(window, chosen):
                yield translation.text

    def with_beam_size(
        self, options: TranslationOptions, beam_size: int
    ) -> TranslationOptions:
        """Return the same options with another beam."""
        search = (options.search or self.recipe.search).model_copy(
            update={"beam_size": beam_size}
        )
        return replace(options, search=search)

    def translate_batch(
        self, lines: Sequence[str | TranslationRequest], options: TranslationOptions
    ) -> list[Translation]:
        """Translate some lines together, sorted by length; return them as they came.

        Args:
            lines: Source text, or requests that ask something of its translation; half
                surrogate pairs are read as U+FFFD.
            options: How to translate.

        Raises:
            InputError: If the options ask for what the run cannot do, or no
                translation is as a request asks.
        """
        search = options.search or self.recipe.search
        if options.mbr:
            search = mbr.mbr_sampling_options(search)
        if options.n_best > search.beam_size and search.method == "beam":
            raise UserError(
                f"{options.n_best} translations of a line need a beam of as many, but "
                f"it is {search.beam_size}: widen the beam or ask for fewer."
            )
        cut_up = self._parts([*map(_text, lines)], options)
        spaced = bool(separator(self.recipe.data.target))
        for line, (of_line, _) in zip(lines, cut_up, strict=True):
            if isinstance(line, TranslationRequest) and line.has_constraints:
                check_supported(line, len(of_line), search, options)
                wish = tokenize_constraints(line, self.target, spaced=spaced)
                of_line[:] = [part._replace(wish=wish) for part in of_line]
        flat = [part for of_line in cut_up for part in of_line[0]]
        language = self.recipe.data.target
        finder = BatchSearcher(self.engine, self.target, language, self.device)
        found = iter(finder.search(flat, search, options))
        return [
            self._translation([next(found) for _ in of_line], cut, options)
            for of_line, cut in cut_up
        ]

    def _parts(
        self, lines: Sequence[str], options: TranslationOptions
    ) -> list[tuple[list[Segment], bool]]:
        """Encode lines; of each its parts, none of a blank, and whether it was cut."""
        lines = [_whole(line) for line in lines]
        aligned = options.align or options.replace_unknown
        surfaces: list[list[str]] = [[] for _ in lines]
        if aligned:
            surfaces = encode_long(self.source.surface_tokens, lines)
        longest = options.max_length or self.recipe.data.max_length
        found: list[tuple[list[Segment], bool]] = []
        for line, ids, texts in zip(
            lines, encode_long(self.source.encode, lines), surfaces, strict=True
        ):
            cut = options.long == "cut" and len(ids) > longest
            if not ids or not line.strip():
                slices = []
            elif cut:
                slices = [slice(0, longest)]
            elif len(ids) > longest:
                slices = split_long_input(self.source.id_to_tokens(ids), longest)
            else:
                slices = [slice(0, len(ids))]
            found.append(([Segment(ids[each], texts[each]) for each in slices], cut))
        return found

    def _translation(
        self, found: Sequence[SegmentResult], cut: bool, options: TranslationOptions
    ) -> Translation:
        """Join the parts of a line."""
        if not found:
            return Translation()
        if options.replace_unknown:
            found[0].weights(0)  # Say what is missing even where no piece is unknown.
        blank = separator(self.recipe.data.target)
        candidates: dict[str, TranslationHypothesis] = {}
        for rank in range(max(len(each.hypotheses) for each in found)):
            # A part with fewer hypotheses repeats its last one.
            ranks = [min(rank, len(each.hypotheses) - 1) for each in found]
            texts = [
                self._text(each, at, known=options.replace_unknown)
                for each, at in zip(found, ranks, strict=True)
            ]
            chosen = [
                each.hypotheses[at] for each, at in zip(found, ranks, strict=True)
            ]
            score = sum(each.score for each in chosen) / len(chosen)
            pieces = sum(len(each.tokens) for each in chosen)
            text = _one_line(blank.join(filter(None, texts)))
            candidates.setdefault(text, TranslationHypothesis(text, score, pieces))
        aligned = None
        if options.align:
            aligned = alignment.concatenate(
                [
                    alignment.align(
                        each.part.surfaces,
                        self.target.id_to_tokens(each.hypotheses[0].tokens),
                        each.weights(0),
                    )
                    for each in found
                ]
            )
        return Translation(tuple(candidates.values()), aligned, len(found), cut)

    def _text(self, found: SegmentResult, rank: int, *, known: bool) -> str:
        """Spell a hypothesis, with source words for unknown pieces if known."""
        ids = found.hypotheses[rank].tokens
        if UNK not in ids or not known:
            return self.target.decode([ids])[0]
        pieces, surfaces = self.target.id_to_tokens(ids), found.part.surfaces
        return alignment.replace_unknowns(ids, pieces, surfaces, found.weights(rank))


def _text(line: str | TranslationRequest) -> str:
    return line if isinstance(line, str) else line.text


def _whole(line: str) -> str:
    """Replace half surrogate pairs, which no encoding of text can hold."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return line


def _one_line(text: str) -> str:
    """Keep a translation on one line, whatever its pieces spell."""
    return text.replace("\n", " ").replace("\r", " ")
