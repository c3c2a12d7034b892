"""Data of classification: labelled texts and frames, from files or drawn."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.baselines.most_frequent import most_frequent_class
from seq2seq.baselines.naive_bayes import fit_best_naive_bayes
from seq2seq.baselines.nearest_neighbour import nearest_neighbours
from seq2seq.data.collate import pad, pad_arrays
from seq2seq.data.drawn import Split, adding_examples, recall_examples
from seq2seq.data.tokenizer import Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe.classification import DRAWN, ClassificationRecipe
from seq2seq.recipe.data import SubwordOptions
from seq2seq.tasks.data import Examples
from seq2seq.tasks.labels import LABELS_FILE, Labels, check_labels
from seq2seq.tasks.rows import (
    check_alike,
    find_split_file,
    frames_of,
    label_of,
    read_rows,
    text_of,
)
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.types import EOS, Batch
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)

FRAMES_FILE = "frames.json"
DRAWN_COUNTS: dict[str, int] = {"train": 10_000, "valid": 500, "test": 1_000}
UNSPACED = {"zh", "ja", "th", "lo", "my", "km"}
"""Languages whose words no blanks separate: baselines count characters."""

Source = Sequence[int] | NDArray[Any]


class FrameScaler:
    """Mean and deviation of the training frames, by which all are normalised.

    Args:
        mean: (F,).
        deviation: (F,), above 0.
    """

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean = np.array(mean, dtype=np.float32)
        self.deviation = np.array(deviation, dtype=np.float32)
        self.size = len(mean)

    @classmethod
    def fit(cls, sources: Sequence[NDArray[Any]]) -> FrameScaler:
        """Measure all frames, each (S, F)."""
        frames = np.concatenate(sources).astype(np.float64)
        deviation = np.maximum(frames.std(axis=0), 1e-6)
        return cls(frames.mean(axis=0).tolist(), deviation.tolist())

    def __call__(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise frames, (S, F)."""
        return np.asarray((frames - self.mean) / self.deviation, dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Serialise as JSON."""
        parts = {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
        return json.dumps(parts).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> FrameScaler:
        """Read what `to_bytes` returned.

        Raises:
            UserError: If it is damaged.
        """
        try:
            parts = json.loads(content)
            return cls(parts["mean"], parts["deviation"])
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(f"{FRAMES_FILE} is damaged: {error!r}.") from error


class LabelledExamples:
    """Encoded sources with their targets, as `tasks.data.Examples`.

    Args:
        raw: Texts, or frames as they were read.
        sources: Token ids without control tokens, or normalised frames, (S, F).
        answers: Labels, or numbers as text.
        targets: Ids of the labels, or the numbers.
    """

    def __init__(
        self,
        raw: Sequence[Any],
        sources: Sequence[Source],
        answers: Sequence[str],
        targets: Sequence[int | float],
    ) -> None:
        self.raw = raw
        self.sources = sources
        self.answers = list(answers)
        self.targets = targets

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def is_frames(self) -> bool:
        """Whether sources are frames."""
        return isinstance(self.sources[0], np.ndarray) and self.sources[0].ndim == 2

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions of each source, EOS of texts included, and ones."""
        end = 0 if self.is_frames else 1
        lengths = np.array([len(source) + end for source in self.sources])
        return lengths, np.ones_like(lengths)

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Pad examples into a batch."""
        sources = [self.sources[i] for i in indices]
        targets = torch.tensor([[self.targets[i]] for i in indices])
        return make_batch(sources, targets, indices, num_tokens)

    def references(self) -> list[str]:
        """Return the labels, or the numbers as text."""
        return self.answers

    def line(self, index: int) -> str:
        """Return the label and the text, or the frames' shape."""
        return f"{self.answers[index]}\t{' '.join(self.source_text(index).split())}"

    def source_text(self, index: int) -> str:
        """Return the text, or the frames' shape."""
        raw = self.raw[index]
        return raw if isinstance(raw, str) else f"frames {np.shape(raw)}"

    def fingerprint(self) -> str:
        """Hash sources and targets."""
        digest = hashlib.sha256(repr(list(self.targets)).encode())
        for source in self.sources:
            digest.update(np.asarray(source).tobytes() + b"|")
        return digest.hexdigest()


def make_batch(
    sources: Sequence[Source],
    targets: torch.Tensor,
    indices: NDArray[np.int64],
    num_tokens: int | None = None,
) -> Batch:
    """Pad token ids, each followed by EOS, or frames, (S, F).

    Args:
        sources: N of them.
        targets: (N, T).
        indices: Index of each example in its split, (N,).
        num_tokens: Divisor of the loss; the number of targets if None.
    """
    first = sources[0]
    if isinstance(first, np.ndarray) and first.ndim == 2:
        source = pad_arrays([np.asarray(frames) for frames in sources])
        lengths = [len(frames) for frames in sources]
    else:
        source = pad(sources, after=EOS)
        lengths = [len(tokens) + 1 for tokens in sources]
    return Batch(
        source=source,
        source_lengths=torch.tensor(lengths),
        inputs=targets,
        targets=targets,
        indices=torch.from_numpy(np.ascontiguousarray(indices)),
        num_tokens=targets.numel() if num_tokens is None else num_tokens,
    )


class ClassificationReader:
    """Reads the splits of a recipe, as `tasks.data.ExampleReader`.

    Args:
        recipe: The recipe.
        vocabularies: Of a trained run, or the tokens of a language model; made from the
            training split if None.
    """

    def __init__(
        self, recipe: ClassificationRecipe, vocabularies: Vocabularies | None
    ) -> None:
        self.recipe = recipe
        self._vocabularies = vocabularies

    @property
    def vocabularies(self) -> Vocabularies:
        """labels.txt unless numbers are predicted; source.model or frames.json."""
        wants_labels = self.recipe.data.target == "label"
        given = self._vocabularies
        if given is None or (wants_labels and LABELS_FILE not in given):
            split = self.recipe.data.splits.train
            raw, answers, _ = self._read_raw(split)
            files = dict(given or {})
            if wants_labels:
                check_labels(answers, f"{self.recipe.data.path}, split {split}")
                files[LABELS_FILE] = Labels(answers).to_bytes()
            if given is None and isinstance(raw[0], str):
                options = self.recipe.tokenizer or SubwordOptions()
                files["source.model"] = train_tokenizer(raw, options).model
            elif given is None:
                files[FRAMES_FILE] = FrameScaler.fit(raw).to_bytes()
            self._vocabularies = given = files
        return given

    def read(self, split: str) -> LabelledExamples:
        """Read and encode a split.

        Raises:
            UserError: If it is missing, or a label is none of the training's.
        """
        raw, answers, origins = self._read_raw(split)
        files, limit = self.vocabularies, self.recipe.data.max_length
        sources: Sequence[Source]
        if FRAMES_FILE in files:
            scale = FrameScaler.from_bytes(files[FRAMES_FILE])
            check_alike(raw[0], scale.mean[None], origins[0])
            sources = [scale(frames) for frames in raw]
        else:
            check_alike(raw[0], "", origins[0])
            sources = Tokenizer(files["source.model"]).encode(raw)
        if long := sum(len(source) > limit for source in sources):
            log.warning(
                f"{split}: {long:,} of {with_noun(len(raw), 'source')} are longer than "
                f"{limit} and cut there (data.max_length)"
            )
        sources = [source[:limit] for source in sources]
        if self.recipe.data.target == "number":
            return LabelledExamples(raw, sources, answers, [float(a) for a in answers])
        labels = Labels.from_bytes(files.get(LABELS_FILE))
        for answer, origin in zip(answers, origins, strict=True):
            if answer not in labels:
                raise UserError(
                    f"{origin}: the label {answer!r} does not occur in training, whose "
                    f"labels are {', '.join(labels.names[:20])}. Correct or remove it."
                )
        return LabelledExamples(raw, sources, answers, labels.encode(answers))

    def _read_raw(self, split: str) -> tuple[list[Any], list[str], list[str]]:
        """Return texts or frames, labels, and where each stands."""
        data = self.recipe.data
        if data.path in DRAWN:
            raw, answers = _draw(data.path, split, data.length or 0, self.recipe.seed)
            return raw, answers, [f"{data.path}, {split}"] * len(answers)
        path = find_split_file(Path(data.path), split, (".tsv", ".jsonl", ".parquet"))
        raw, answers, origins = [], [], []
        for row in read_rows(path, ("label", "text")):
            raw.append(
                frames_of(row) if "frames" in row.values else text_of(row, "text")
            )
            check_alike(raw[-1], raw[0], row.origin)
            answer = label_of(row)
            if data.target == "number":
                answer = _number(answer, row.origin)
            answers.append(answer)
            origins.append(row.origin)
        if not raw:
            raise UserError(
                f"{path} is empty; it needs a label and a text on each line."
            )
        return raw, answers, origins

    def baselines(
        self, train: Examples, valid: Examples, examples: Examples
    ) -> dict[str, list[str]]:
        """Answer by the most frequent class and by naive Bayes or nearest neighbour."""
        assert isinstance(train, LabelledExamples)
        assert isinstance(valid, LabelledExamples)
        assert isinstance(examples, LabelledExamples)
        count = len(examples)
        if self.recipe.data.target == "number":
            mean = float(np.mean(train.targets))
            return {"mean of training": [f"{mean:.6g}"] * count}
        answers = {"most frequent class": [most_frequent_class(train.answers)] * count}
        if train.is_frames:
            means = [
                np.stack([np.mean(s, axis=0) for s in split.sources])
                for split in (train, examples)
            ]
            nearest = nearest_neighbours(*means)
            answers["nearest mean frame"] = [train.answers[i] for i in nearest]
            return answers
        units: Callable[[str], Any] = str.split
        data = self.recipe.data
        if data.language in UNSPACED or data.path in DRAWN:
            units = str
        texts = [[units(text) for text in split.raw] for split in (train, valid)]
        model = fit_best_naive_bayes(
            (texts[0], train.answers), (texts[1], valid.answers)
        )
        answers["naive Bayes"] = model.predict([units(text) for text in examples.raw])
        return answers

    def details(
        self, train: Examples, examples: Examples, predictions: Sequence[str]
    ) -> dict[str, Score]:
        """Return none."""
        return {}


def _draw(name: str, split: str, length: int, seed: int) -> tuple[list[Any], list[str]]:
    """Draw a memory task: recall as text of letters, adding as frames."""
    if split not in DRAWN_COUNTS:
        raise UserError(f"{name} is drawn: its splits are train, valid and test.")
    part: Any = split
    drawn: Split = part
    count = DRAWN_COUNTS[split]
    if name == "adding":
        frames = adding_examples(drawn, count, length=length, seed=seed)
        return list(frames.sources), [f"{target:.9g}" for target in frames.targets]
    tokens = recall_examples(drawn, count, delay=length, seed=seed)
    texts = ["".join(chr(ord("a") + token) for token in s) for s in tokens.sources]
    return texts, [chr(ord("a") + label) for label in tokens.labels]


def _number(text: str, origin: str) -> str:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UserError(f"{origin}: {text!r} is no number, and data.target is number.")
    return text
