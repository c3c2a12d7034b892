"""Rerank n-best lists by a language model's log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby, tee
from pathlib import Path
from typing import NamedTuple

from seq2seq.engines.language_model import LanguageModelEngine, open_language_model
from seq2seq.errors import UserError
from seq2seq.tasks.language_model import LanguageModel
from seq2seq.translate.input_splitting import encode_long
from seq2seq.translate.sequence_scorer import SequenceScorer
from seq2seq.utils.devices import resolve_devices


class Candidate(NamedTuple):
    """An entry of an n-best list.

    Attributes:
        line: Index of the source line, from 0.
        text: The translation.
        score: Its score by the system that made the list.
    """

    line: int
    text: str
    score: float


def read_n_best(lines: Iterable[str], name: str) -> Iterator[Candidate]:
    """Read n-best lists as Moses and `translate --n-best` write them.

    Args:
        lines: `INDEX ||| TEXT ||| SCORE`, the indices from 0, none left out.
        name: The file, for errors.

    Raises:
        UserError: If a line is none of that.
    """
    last = -1
    for number, content in enumerate(lines, 1):
        try:
            index, rest = content.split(" ||| ", 1)
            text, score = rest.rsplit(" ||| ", 1)
            candidate = Candidate(int(index), text, float(score))
            if not math.isfinite(candidate.score):
                raise ValueError(score)
        except ValueError:
            raise UserError(
                f"{name}:{number}: {content[:80]!r} is not INDEX ||| TEXT ||| SCORE. "
                "Lists are of: seq2seq translate RUN IN --n-best 5 --output FILE"
            ) from None
        if candidate.line not in (max(last, 0), last + 1):
            raise UserError(
                f"{name}:{number}: index {candidate.line} comes after {last}, but "
                "every source line needs its translations, in order, from 0."
            )
        last = candidate.line
        yield candidate


def rerank(
    candidates: Iterable[Candidate],
    language_model: str | Path,
    *,
    weight: float,
    length_penalty: float = 1.0,
    device: str = "auto",
) -> Iterator[str]:
    """Yield the best translation of each list, the first of equals.

    It has the highest score + weight * log p_LM(text) / length ** length_penalty. The
    length is in the language model's tokens, EOS included.

    Args:
        candidates: Lists, one after the other.
        language_model: The run of a language model, over whatever tokens.
        weight: At least 0.
        length_penalty: That of the search that made the lists.
        device: cpu, cuda, cuda:1 or auto.

    Raises:
        UserError: If it is no such run, or there is no such device.

    Source: Och and Ney 2002, section 2 (log-linear models).
    """
    (device,) = resolve_devices(device).names
    run = open_language_model(language_model)
    assert isinstance(run.task, LanguageModel)
    text = run.task.text
    engine = LanguageModelEngine(run.network().double().to(device))
    scorer = SequenceScorer(engine, text, text, device=device)
    scored, rest = tee(candidates)
    log_probs = scorer(("", candidate.text) for candidate in scored)
    for _, group in groupby(rest, key=lambda candidate: candidate.line):
        entries = list(group)
        encoded = encode_long(text.encode, [entry.text for entry in entries])
        scores = [
            entry.score + weight * next(log_probs) / (len(ids) + 1) ** length_penalty
            for entry, ids in zip(entries, encoded, strict=True)
        ]
        yield entries[scores.index(max(scores))].text
