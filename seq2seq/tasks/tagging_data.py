"""Data of tagging: words with tags, frames with labels, or what is drawn."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.baselines.hmm_tagger import fit_hmm_tagger
from seq2seq.baselines.most_frequent import (
    fit_most_frequent_tagger,
    most_frequent_class,
)
from seq2seq.data.collate import pad_arrays
from seq2seq.data.drawn import copy_examples
from seq2seq.data.drawn_frames import nback_examples
from seq2seq.data.readers import parallel_pairs
from seq2seq.errors import UserError
from seq2seq.metrics.classification import token_accuracy
from seq2seq.recipe.tagging import TaggingRecipe
from seq2seq.tasks.classification_data import FRAMES_FILE, FrameScaler
from seq2seq.tasks.data import Examples
from seq2seq.tasks.labels import LABELS_FILE, Labels, check_labels
from seq2seq.tasks.rows import (
    check_alike,
    find_split_file,
    frames_of,
    labels_of,
    read_rows,
)
from seq2seq.tasks.segmentation import tag_characters
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.tasks.word_features import FEATURES_FILE, FeatureTable
from seq2seq.types import PAD, UNK, Batch
from seq2seq.utils.files import read_lines
from seq2seq.utils.text import with_noun

log = logging.getLogger(__name__)

Array = NDArray[Any]
DRAWN_COUNTS = {"train": 4000, "valid": 200, "test": 500}


class TaggedExamples:
    """Encoded sentences with their tags, as `tasks.data.Examples`.

    Args:
        words: Words of each sentence; none of frames.
        sources: Ids of features, (S, K), or frames, (S, F).
        tags: Tags of each sentence.
        targets: Their ids.
    """

    def __init__(
        self,
        words: Sequence[Sequence[str]],
        sources: Sequence[Array],
        tags: Sequence[Sequence[str]],
        targets: Sequence[Sequence[int]],
    ) -> None:
        self.words = words
        self.sources = sources
        self.tags = tags
        self.targets = targets

    def __len__(self) -> int:
        return len(self.sources)

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions of each sentence, twice."""
        lengths = np.array([len(source) for source in self.sources])
        return lengths, lengths

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Pad sentences into a batch."""
        return make_tag_batch(
            [self.sources[i] for i in indices],
            [self.targets[i] for i in indices],
            indices,
            num_tokens,
        )

    def references(self) -> list[str]:
        """Return the tags of each sentence, between blanks."""
        return [" ".join(tags) for tags in self.tags]

    def line(self, index: int) -> str:
        """Return the words, or the frames' shape, and the tags."""
        words = self.words[index] if self.words else [str(self.sources[index].shape)]
        return f"{' '.join(words)}\t{' '.join(self.tags[index])}"

    def fingerprint(self) -> str:
        """Hash sources and targets."""
        digest = hashlib.sha256()
        for source, target in zip(self.sources, self.targets, strict=True):
            digest.update(source.tobytes() + repr(list(target)).encode())
        return digest.hexdigest()


def make_tag_batch(
    sources: Sequence[Array],
    targets: Sequence[Sequence[int]],
    indices: NDArray[np.int64],
    num_tokens: int | None = None,
) -> Batch:
    """Pad ids of features, (S, K), or frames, (S, F), with a tag for each position."""
    labels = pad_arrays([np.array(target, dtype=np.int64) for target in targets])
    return Batch(
        source=pad_arrays(sources),
        source_lengths=torch.tensor([len(source) for source in sources]),
        inputs=labels,
        targets=labels,
        indices=torch.from_numpy(np.ascontiguousarray(indices)),
        num_tokens=num_tokens or int((labels != PAD).sum()),
    )


class TaggingReader:
    """Reads the splits of a recipe, as `tasks.data.ExampleReader`.

    Args:
        recipe: The recipe.
        vocabularies: Of a trained run; made from the training split if None.
    """

    def __init__(
        self, recipe: TaggingRecipe, vocabularies: Vocabularies | None
    ) -> None:
        self.recipe = recipe
        self._vocabularies = vocabularies

    @property
    def vocabularies(self) -> Vocabularies:
        """labels.txt, and features.json of words or frames.json."""
        if self._vocabularies is None:
            split = self.recipe.data.splits.train
            sources, tags = self._read_raw(split)
            names = [tag for sentence in tags for tag in sentence]
            check_labels(names, f"{self.recipe.data.path}, split {split}")
            files = {LABELS_FILE: Labels(names).to_bytes()}
            if isinstance(sources[0], np.ndarray):
                files[FRAMES_FILE] = FrameScaler.fit(sources).to_bytes()
            else:
                files[FEATURES_FILE] = FeatureTable.fit(sources).to_bytes()
            self._vocabularies = files
        return self._vocabularies

    def read(self, split: str) -> TaggedExamples:
        """Read and encode a split; tags that training lacks become UNK."""
        raw, tags = self._read_raw(split)
        files = self.vocabularies
        labels = Labels.from_bytes(files.get(LABELS_FILE))
        targets = [labels.encode(sentence) for sentence in tags]
        if unknown := sum(target.count(UNK) for target in targets):
            log.warning(
                f"{split}: {with_noun(unknown, 'tag')} that training does not have, "
                "which count as wrong"
            )
        origin = f"{self.recipe.data.path}, split {split}"
        if FRAMES_FILE in files:
            scale = FrameScaler.from_bytes(files[FRAMES_FILE])
            check_alike(raw[0], scale.mean[None], origin)
            return TaggedExamples([], [scale(f) for f in raw], tags, targets)
        check_alike(raw[0], (), origin)
        table = FeatureTable.from_bytes(files[FEATURES_FILE])
        return TaggedExamples(raw, [table.encode(w) for w in raw], tags, targets)

    def _read_raw(self, split: str) -> tuple[list[Any], list[list[str]]]:
        """Return words or frames, and tags.

        Raises:
            UserError: If a line has not as many tags as words: with its number.
        """
        data, folder = self.recipe.data, Path(self.recipe.data.path)
        if data.back or data.length:
            return self._draw(split)
        endings = (f".{data.language}", ".jsonl", ".parquet")
        path = find_split_file(folder, split, endings)
        raw: list[Any] = []
        tags: list[list[str]] = []
        if {".jsonl", ".parquet"} & set(path.suffixes):
            for row in read_rows(path, ("frames", "labels")):
                if "words" in row.values:
                    raise UserError(
                        f"{row.origin}: words are read from {split}.{data.language} "
                        f"and their tags from {split}.tags, a sentence in each line, "
                        "not from this file."
                    )
                raw.append(frames_of(row))
                check_alike(raw[-1], raw[0], row.origin)
                tags.append(labels_of(row))
                _check_aligned(row.origin, len(raw[-1]), len(tags[-1]), "frames")
        else:
            blank = 0
            for number, (words, labels) in enumerate(self._lines(path, split), 1):
                _check_aligned(f"{path}:{number}", len(words), len(labels), "words")
                blank += not words
                if words:
                    raw.append(words)
                    tags.append(labels)
            if blank:
                log.warning(f"{path}: {with_noun(blank, 'blank line')} left out")
        if not raw:
            raise UserError(f"{path} is empty; each line needs words between blanks.")
        return raw, tags

    def _lines(self, path: Path, split: str) -> Iterator[tuple[list[str], list[str]]]:
        """Yield the words and tags of each line, blank ones too."""
        if self.recipe.data.boundaries:
            yield from map(tag_characters, read_lines(path))
            return
        tag_file = find_split_file(path.parent, split, (".tags",))
        for words, tags in parallel_pairs(path, tag_file):
            yield words.split(), tags.split()

    def _draw(self, split: str) -> tuple[list[Any], list[list[str]]]:
        """Draw n-back, as frames, or copy, as words of a character."""
        data, seed = self.recipe.data, self.recipe.seed
        if split not in DRAWN_COUNTS:
            raise UserError(
                f"{data.path} is drawn: its splits are train, valid and test."
            )
        count = DRAWN_COUNTS[split]
        if data.back:
            return nback_examples(split, count, back=data.back, seed=seed)
        part: Any = split
        examples = copy_examples(part, count, delay=data.length or 1, seed=seed)
        words, tags = (
            [["abcdefgh.?"[token] for token in row] for row in side]
            for side in examples
        )
        return words, tags

    def baselines(
        self, train: Examples, valid: Examples, examples: Examples
    ) -> dict[str, list[str]]:
        """Answer by the most frequent tag, and by a hidden Markov model for words."""
        assert isinstance(train, TaggedExamples)
        assert isinstance(examples, TaggedExamples)
        if not train.words:
            tag = most_frequent_class([t for tags in train.tags for t in tags])
            lines = [" ".join([tag] * len(tags)) for tags in examples.tags]
            return {"most frequent label": lines}
        most = fit_most_frequent_tagger(train.words, train.tags)
        hmm = fit_hmm_tagger(train.words, train.tags)
        return {
            "most frequent tag": [" ".join(x) for x in most.predict(examples.words)],
            "trigram HMM": [" ".join(x) for x in hmm.predict(examples.words)],
        }

    def details(
        self, train: Examples, examples: Examples, predictions: Sequence[str]
    ) -> dict[str, Score]:
        """Return the accuracy on words that training does not have."""
        assert isinstance(train, TaggedExamples)
        assert isinstance(examples, TaggedExamples)
        if not train.words:
            return {}
        known = {word for words in train.words for word in words}
        mask = [[word not in known for word in words] for words in examples.words]
        if not any(map(any, mask)):
            return {}
        tags = [line.split() for line in predictions]
        unseen = token_accuracy(tags, examples.tags, mask=mask)
        return {"accuracy_unseen": Score.of(unseen, "unseen words")}


def _check_aligned(origin: str, words: int, tags: int, noun: str) -> None:
    if words != tags:
        raise UserError(
            f"{origin}: {words} {noun}, {tags} tags; each needs one, between blanks."
        )
