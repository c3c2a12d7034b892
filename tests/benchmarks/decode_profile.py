"""Print where a decoding step's time goes, in microseconds of processor time.

    python tests/benchmarks/decode_profile.py RUN FILE [--lengths 15 16] [--lines 256]

FILE holds source lines. For each engine that the run was exported for, greedy search
and beam 5, batches of 64 and one sentence at a time: what each part takes of a step,
where a step is one token of all sentences under way. With `--lengths`, translations
have as many tokens (for random weights). Medians of `--rounds`; a part does not include
the calls of other parts in it; `search` is Python, and tensors that no other part has;
`text` is all outside the search.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from seq2seq.benchmark.translate import FixedLengthEngine, LengthRange
from seq2seq.engines import engine as torch_engine
from seq2seq.engines.onnx import engine as onnx_engine
from seq2seq.models import encoder_decoder
from seq2seq.nn.attention import Attention
from seq2seq.nn.decoder import Decoder
from seq2seq.search import beam_search, beam_step, decode_loop, greedy_search
from seq2seq.search.beam_hypotheses import BackpointerTable
from seq2seq.search.beam_state import BeamState
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.batch_search import BatchSearcher
from seq2seq.types import DecoderState
from seq2seq.utils.files import read_lines

# Part: the functions, by owner and name; those that an owner lacks are left out.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "encoder": [
        (torch_engine.TorchEngine, "start"),
        (onnx_engine.OnnxEngine, "start"),
    ],
    "decoder": [
        (Decoder, "forward"),
        (onnx_engine.OnnxEngine, "step_features"),
        (onnx_engine.OnnxEngine, "step"),
    ],
    "attention": [(Attention, "forward")],
    "output layer": [(Decoder, "logits")],
    "log-softmax": [
        (encoder_decoder, "log_softmax"),
        (onnx_engine, "log_softmax"),
        (decode_loop, "_log_normalizer"),
    ],
    "masks": [
        (decode_loop, "process_logits"),
        (beam_search, "process_logits"),
        (beam_search, "_only_eos_at_limit"),
    ],
    "argmax, top-k": [(greedy_search, "argmax"), (beam_step, "topk")],
    "candidates": [(beam_search, "diverse_beam_step")],
    "finished": [
        (beam_search, "_collect_finished"),
        (beam_search, "_prune_finished"),
    ],
    "reordering": [
        (DecoderState, "select"),
        (onnx_engine.NamedTensors, "select"),
        (BeamState, "reorder"),
    ],
    "results": [
        (BackpointerTable, "hypotheses"),
        (decode_loop, "_collect"),
        (greedy_search, "to_hypotheses"),
    ],
    "search": [(BatchSearcher, "_search_batch")],
}


class Clock:
    """The time of each part, without that of parts called in it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._parts: list[str] = []
        self._since = 0.0

    def _switch(self) -> None:
        now = time.thread_time()
        if self._parts:
            self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which adds its time to a part."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._parts.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._parts.pop()
                self.calls[part] += 1

        return call


@contextmanager
def measured() -> Iterator[Clock]:
    """Time all parts."""
    clock = Clock()
    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                if hasattr(owner, name):
                    function = clock.timed(part, getattr(owner, name))
                    stack.enter_context(mock.patch.object(owner, name, function))
        yield clock


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--lengths", type=int, nargs=2)
    parser.add_argument("--lines", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=["torch", "onnx-int8"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = list(read_lines(arguments.file))[: arguments.lines]
    for engine in arguments.engines:
        translator = Translator.load(arguments.run, engine=engine)
        changes: dict[str, Any] = {"early_stopping": True}
        if arguments.lengths:
            bounds = LengthRange(*arguments.lengths)
            translator.engine = FixedLengthEngine(translator.engine, bounds)
            changes["max_length_ratio"] = float(bounds.max_length)
        for beam, batch in ((1, 64), (5, 64), (1, 1), (5, 1)):
            changes["beam_size"] = beam
            options = TranslationOptions(
                search=translator.recipe.search.model_copy(update=changes),
                batch_size=batch,
                return_scores=False,
            )
            some = lines if batch > 1 else lines[::8]
            rounds = [
                _step(translator, some, options) for _ in range(arguments.rounds + 1)
            ][1:]
            medians = {
                part: round(statistics.median(row[part] for row in rounds), 1)
                for part in rounds[0]
            }
            case = {"engine": engine, "beam": beam, "batch": batch}
            print(json.dumps(case | medians), flush=True)


def _step(
    translator: Translator, lines: list[str], options: TranslationOptions
) -> dict[str, float]:
    """Translate, and return the microseconds of a step's parts."""
    with measured() as clock:
        start = time.thread_time()
        translator.translate_batch(lines, options)
        seconds = time.thread_time() - start
    steps = clock.calls["masks"]
    parts = {part: time / steps * 1e6 for part, time in clock.seconds.items()}
    total = seconds / steps * 1e6
    return parts | {"text": total - sum(parts.values()), "total": total}


if __name__ == "__main__":
    main()
