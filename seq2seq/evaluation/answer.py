"""Answer new lines or pictures with a run: a label, tags or a caption for each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

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
from seq2seq.tasks.tagging import Tagging
from seq2seq.tasks.tagging_data import make_tag_batch
from seq2seq.types import UNK, Batch
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)

BATCH_SIZE = 64


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
    """Label texts, or tag the words of sentences; as many answers as lines.

    Args:
        run: A run of a classification of texts, or of a tagging of words.
        lines: Texts; of a tagging, words between blanks.
        device: Where to compute, as torch names it.

    Raises:
        UserError: If the run answers nothing that a line could hold.
    """
    task = run.task
    is_words = isinstance(task, Tagging) and task.table is not None
    is_text = isinstance(task, Classification) and task.tokenizer is not None
    if not (is_words or is_text):
        raise UserError(
            f"{run.folder.path} does not label lines of text. seq2seq label needs a "
            "run of task: classification of texts, or of task: tagging of words."
        )
    network = run.network().to(device).eval()
    rest = iter(lines)
    while chunk := list(islice(rest, BATCH_SIZE)):
        given = [i for i, line in enumerate(chunk) if line.strip()]
        answers = [Answer("")] * len(chunk)
        if given:
            texts = [chunk[i] for i in given]
            batch = _encode(task, texts).to(torch.device(device))
            for i, answer in zip(given, _answer(task, network, batch), strict=True):
                answers[i] = answer
        yield from answers


def _encode(task: Any, texts: Sequence[str]) -> Batch:
    indices = np.arange(len(texts))
    if isinstance(task, Tagging):
        assert task.table is not None
        sources = [task.table.encode(text.split()) for text in texts]
        return make_tag_batch(sources, [[UNK] * len(s) for s in sources], indices)
    tokens = task.tokenizer.encode(texts)
    limit = task.recipe.data.max_length
    if long := sum(len(ids) > limit for ids in tokens):
        log.warning(
            "%s longer than %d tokens, cut there (data.max_length)",
            with_noun(long, "line"),
            limit,
        )
    targets = torch.full((len(texts), 1), UNK)
    return make_batch([ids[:limit] for ids in tokens], targets, indices)


def _answer(task: Any, network: Any, batch: Batch) -> list[Answer]:
    texts = task.predict(network, batch)
    if isinstance(task, Tagging) or task.labels is None:
        return [Answer(text) for text in texts]
    names = task.labels.names
    rows = task.probabilities(network, batch).tolist()
    return [
        Answer(text, dict(zip(names, row, strict=True)))
        for text, row in zip(texts, rows, strict=True)
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
