"""Data of captioning: pictures or their features in .npy, a caption in each line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.baselines.nearest_neighbour import nearest_neighbours
from seq2seq.data.collate import collate
from seq2seq.data.drawn_shapes import shape_pictures
from seq2seq.data.tokenizer import Tokenizer, train_tokenizer
from seq2seq.errors import UserError
from seq2seq.recipe.captioning import CaptioningRecipe
from seq2seq.tasks.data import Examples
from seq2seq.tasks.rows import find_split_file
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.types import Batch
from seq2seq.utils.files import read_lines

SHAPE_FILE = "picture.txt"
"""The shape of a picture, numbers between blanks."""

Pictures = NDArray[Any]


def read_pictures(path: Path) -> Pictures:
    """Open pixels, (N, C, H, W) of uint8, or features, (N, P, F) of floats.

    Raises:
        UserError: If the file is no such array, is pickled, or holds NaN or infinity.
    """
    try:
        pictures: Pictures = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(
            f"{path} is no sound .npy file ({str(error).splitlines()[0]}). Write "
            "numbers by numpy.save; pictures are read with PIL, by "
            "np.asarray(Image.open(f)), and stacked as (N, 3, H, W)."
        ) from error
    shown = f"{path} has the shape {pictures.shape} of {pictures.dtype}"
    pixels = pictures.ndim == 4 and pictures.dtype == np.uint8
    features = pictures.ndim == 3 and pictures.dtype.kind == "f"
    if not (pixels or features) or 0 in pictures.shape:
        raise UserError(
            f"{shown}; pixels are (N, C, H, W) of uint8, features (N, P, F) of floats."
        )
    if pixels and pictures.shape[1] > 4 >= pictures.shape[3]:
        raise UserError(
            f"{shown}, as if channels came last; write numpy.moveaxis(pictures, 3, 1)."
        )
    if features and (pictures.dtype.itemsize > 4 or not pictures.dtype.isnative):
        with np.errstate(over="ignore"):  # Infinity is refused below.
            pictures = pictures.astype(np.float32)
    if features and not np.isfinite(pictures).all():
        raise UserError(f"{path} holds NaN or infinity; compute its features again.")
    return np.asarray(pictures)


def check_shape(pictures: Pictures, content: bytes, origin: str) -> None:
    """Check that pictures are of the shape that a run was trained on.

    Raises:
        UserError: If they are not.
    """
    shape = tuple(map(int, content.decode().split()))
    if pictures.shape[1:] != shape:
        raise UserError(
            f"{origin} has pictures of the shape {pictures.shape[1:]}, but the run was "
            f"trained on {shape}; make them alike."
        )


class CaptionedExamples:
    """Pictures with their captions, as `tasks.data.Examples`.

    Args:
        pictures: (N, C, H, W) or (N, P, F).
        captions: A caption for each.
        tokens: Their ids, without control tokens.
    """

    def __init__(
        self,
        pictures: Pictures,
        captions: Sequence[str],
        tokens: Sequence[Sequence[int]],
    ) -> None:
        self.pictures = pictures
        self.captions = list(captions)
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.captions)

    def lengths(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ones, and the tokens of each caption, EOS included."""
        targets = np.array([len(tokens) + 1 for tokens in self.tokens])
        return np.ones_like(targets), targets

    def batch(self, indices: NDArray[np.int64], num_tokens: int | None = None) -> Batch:
        """Pad captions into a batch with their pictures."""
        captions = [self.tokens[i] for i in indices]
        return picture_batch(self.pictures[indices], captions, indices, num_tokens)

    def references(self) -> list[str]:
        """Return the captions."""
        return self.captions

    def line(self, index: int) -> str:
        """Return the picture's number and its caption."""
        return f"picture {index}\t{self.captions[index]}"

    def fingerprint(self) -> str:
        """Hash pictures and captions."""
        digest = hashlib.sha256(repr(list(self.tokens)).encode())
        digest.update(np.ascontiguousarray(self.pictures).tobytes())
        return digest.hexdigest()


def picture_batch(
    pictures: Pictures,
    captions: Sequence[Sequence[int]],
    indices: NDArray[np.int64] | None = None,
    num_tokens: int | None = None,
) -> Batch:
    """Return a batch of pictures; `source_lengths` is the size of their second axis."""
    batch = collate(
        [()] * len(captions), captions, indices=indices, num_tokens=num_tokens
    )
    source = torch.from_numpy(np.array(pictures))
    if source.dtype == torch.float16:
        source = source.float()
    lengths = torch.full((len(source),), source.shape[1])
    return batch._replace(source=source, source_lengths=lengths)


class CaptioningReader:
    """Reads the splits of a recipe, as `tasks.data.ExampleReader`.

    Args:
        recipe: The recipe.
        vocabularies: Of a trained run; made from the training split if None.
    """

    def __init__(
        self, recipe: CaptioningRecipe, vocabularies: Vocabularies | None
    ) -> None:
        self.recipe = recipe
        self._vocabularies = vocabularies

    @property
    def vocabularies(self) -> Vocabularies:
        """target.model, and picture.txt with the shape of a picture."""
        if self._vocabularies is None:
            pictures, captions, _ = self._read_raw(self.recipe.data.splits.train)
            self._vocabularies = {
                "target.model": train_tokenizer(captions, self.recipe.tokenizer).model,
                SHAPE_FILE: " ".join(map(str, pictures.shape[1:])).encode(),
            }
        return self._vocabularies

    def read(self, split: str) -> CaptionedExamples:
        """Read and encode a split."""
        pictures, captions, origin = self._read_raw(split)
        files = self.vocabularies
        check_shape(pictures, files[SHAPE_FILE], origin)
        tokens = Tokenizer(files["target.model"]).encode(captions)
        return CaptionedExamples(pictures, captions, tokens)

    def _read_raw(self, split: str) -> tuple[Pictures, list[str], str]:
        """Return pictures, captions and where the pictures stand.

        Raises:
            UserError: If there are not as many captions as pictures.
        """
        data = self.recipe.data
        if data.path == "shapes":
            if split not in ("train", "valid", "test"):
                raise UserError(
                    "shapes is drawn: its splits are train, valid and test."
                )
            return *shape_pictures(split, seed=self.recipe.seed), f"shapes, {split}"
        path = find_split_file(Path(data.path), split, (".npy",))
        text = find_split_file(Path(data.path), split, (f".{data.language}",))
        pictures, captions = read_pictures(path), list(read_lines(text))
        if len(pictures) != len(captions):
            raise UserError(
                f"{path} has {len(pictures):,} pictures, but {text.name} has "
                f"{len(captions):,} lines; each picture needs a caption in its line."
            )
        return pictures, captions, str(path)

    def baselines(
        self, train: Examples, valid: Examples, examples: Examples
    ) -> dict[str, list[str]]:
        """Answer by the caption of the nearest training picture."""
        assert isinstance(train, CaptionedExamples)
        assert isinstance(examples, CaptionedExamples)
        nearest = nearest_neighbours(train.pictures, examples.pictures)
        return {"nearest picture": [train.captions[i] for i in nearest]}

    def details(
        self, train: Examples, examples: Examples, predictions: Sequence[str]
    ) -> dict[str, Score]:
        """Return none."""
        return {}
