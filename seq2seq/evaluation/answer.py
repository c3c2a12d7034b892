"""Answer new texts, frames or pictures with a run: a label, tags or a caption."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from seq2seq.data.readers import json_row
from seq2seq.errors import UserError
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.captioning import Captioning
from seq2seq.tasks.captioning_data import (
    SHAPE_FILE,
    check_shape,
    picture_batch,
    read_pictures,
)
from seq2seq.tasks.classification import Classification
from seq2seq.tasks.classification_data import make_batch
from seq2seq.tasks.rows import Frames, Row, check_alike, frames_of
from seq2seq.tasks.segmentation import join_words
from seq2seq.tasks.tagging import Tagging
from seq2seq.tasks.tagging_data import make_tag_batch
from seq2seq.types import UNK, Batch
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)

BATCH_SIZE = 64
MAX_POSITIONS = 1 << 14
"""Positions of a batch, padding included, unless one line has more."""


class Answer(NamedTuple):
    """A run's answer to a line.

    Attributes:
        text: The label, or a tag for each word between blanks; empty for a blank line.
        probabilities: Probability of each label; None of tags and of blank lines.
    """

    text: str
    probabilities: dict[str, float] | None = None


@torch.inference_mode()
def label_lines(run: TaskRun, lines: Iterable[str], *, device: str) -> Iterator[Answer]:
    """Label texts or frames, or tag words or frames; as many answers as lines.

    Args:
        run: A run of a classification or of a tagging.
        lines: Texts; of a tagging, words between blanks; of frames, JSON objects with
            the key frames.
        device: Where to compute, as torch names it.

    Raises:
        UserError: If the run has another task, or a line holds no such frames.
    """
    task = run.task
    if not isinstance(task, Classification | Tagging):
        raise UserError(
            f"{run.folder.path} is a run of task: {run.recipe.task}; seq2seq label "
            "needs one of task: classification or tagging, such as of: seq2seq train "
            "lecture/vowels"
        )
    network = run.network().to(device).eval()
    numbered = enumerate(lines, 1)
    while chunk := list(islice(numbered, BATCH_SIZE)):
        given = [(i, line) for i, line in chunk if line.strip()]
        sources = dict(zip([i for i, _ in given], _encode(task, given), strict=True))
        answers = dict.fromkeys([i for i, _ in chunk], Answer(""))
        for some in _by_length(sources):
            batch = _batch(task, [sources[i] for i in some]).to(torch.device(device))
            answers.update(zip(some, _answer(task, network, batch), strict=True))
        if isinstance(task, Tagging) and task.recipe.data.boundaries:
            for i, line in given:
                answers[i] = Answer(join_words(line, answers[i].text.split()))
        yield from answers.values()


def _encode(
    task: Classification | Tagging, lines: Sequence[tuple[int, str]]
) -> Sequence[Any]:
    """Return the source of each line, which has its number."""
    sources: Sequence[Any]
    if task.scaler is not None:
        frames = [
            _frames(line, task.scaler.mean[None], f"line {i}") for i, line in lines
        ]
        sources = [task.scaler(some) for some in frames]
    elif isinstance(task, Tagging):
        assert task.table is not None
        return [task.table.encode(task.words(line)) for _, line in lines]
    else:
        assert task.tokenizer is not None
        sources = task.tokenizer.encode([line for _, line in lines])
    if isinstance(task, Tagging):
        return sources
    limit = task.recipe.data.max_length
    if long := sum(len(source) > limit for source in sources):
        log.warning(
            "%s longer than %d %s, cut there (data.max_length)",
            with_noun(long, "line"),
            limit,
            "tokens" if task.scaler is None else "frames",
        )
    return [source[:limit] for source in sources]


def _frames(line: str, first: Frames, origin: str) -> Frames:
    frames = frames_of(Row(origin, json_row(line, origin)))
    check_alike(frames, first, origin)
    return frames


def _by_length(sources: Mapping[int, Any]) -> Iterator[list[int]]:
    """Share out sources of like lengths to batches of at most `MAX_POSITIONS`."""
    some: list[int] = []
    for i in sorted(sources, key=lambda i: len(sources[i])):
        if some and (len(some) + 1) * len(sources[i]) > MAX_POSITIONS:
            yield some
            some = []
        some.append(i)
    if some:
        yield some


def _batch(task: Classification | Tagging, sources: Sequence[Any]) -> Batch:
    indices = np.arange(len(sources))
    if isinstance(task, Tagging):
        return make_tag_batch(sources, [[UNK] * len(s) for s in sources], indices)
    return make_batch(sources, torch.full((len(sources), 1), UNK), indices)


def _answer(task: Classification | Tagging, network: Any, batch: Batch) -> list[Answer]:
    if isinstance(task, Tagging) or task.labels is None:
        return [Answer(text) for text in task.predict(network, batch)]
    names = task.labels.names
    rows = task.probabilities(network, batch).tolist()
    return [
        Answer(names[int(np.argmax(row))], dict(zip(names, row, strict=True)))
        for row in rows
    ]


@torch.inference_mode()
def caption_pictures(run: TaskRun, path: Path, *, device: str) -> Iterator[str]:
    """Caption the pictures of a .npy file, in order.

    Args:
        run: A run of a captioning.
        path: Pixels or features of the shape that the run was trained on.
        device: Where to compute, as torch names it.

    Raises:
        UserError: If the run captions nothing, or the file holds no such pictures.
    """
    task = run.task
    if not isinstance(task, Captioning):
        raise UserError(
            f"{run.folder.path} is a run of task: {run.recipe.task}; seq2seq caption "
            "needs one of task: captioning, such as of: seq2seq train lecture/shapes"
        )
    pictures = read_pictures(path)
    check_shape(pictures, task.vocabularies[SHAPE_FILE], str(path))
    network = run.network().to(device).eval()
    for start in range(0, len(pictures), BATCH_SIZE):
        some = pictures[start : start + BATCH_SIZE]
        batch = picture_batch(some, [()] * len(some)).to(torch.device(device))
        yield from task.predict(network, batch)
