"""Captioning: its data, its encoder, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq.data.drawn_shapes import shape_pictures
from seq2seq.errors import UserError
from seq2seq.recipe import CaptioningRecipe
from seq2seq.tasks import open_task
from seq2seq.tasks.captioning_data import (
    CaptionedExamples,
    CaptioningReader,
    read_pictures,
)

CAPTIONS = ["a red dog", "a blue cat", "a red cat"]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3, 9, 9)).astype(np.uint8)


def recipe(path: object, **model: Any) -> CaptioningRecipe:
    encoder = {"kind": "convolution", "channels": [4, 8], "strides": [2, 2], "shift": 0}
    return CaptioningRecipe.model_validate(
        {
            "task": "captioning",
            "data": {"path": str(path)},
            "tokenizer": {"model_type": "char", "vocab_size": 16},
            "model": {
                "embedding_size": 8,
                "encoder": encoder,
                "decoder": {"layers": 1, "hidden_size": 8},
                **model,
            },
            "train": {"max_steps": 1},
        }
    )


def write(folder: Path, pictures: Any, captions: list[str]) -> Path:
    np.save(folder / "train.npy", pictures, allow_pickle=True)
    text = "".join(f"{line}\n" for line in captions)
    (folder / "train.en").write_text(text, encoding="utf-8")
    return folder


def opened(given: CaptioningRecipe) -> tuple[Any, Any, Any]:
    reader = CaptioningReader(given, None)
    examples = reader.read("train")
    torch.manual_seed(0)
    task: Any = open_task(given, reader.vocabularies)
    return task, task.network().eval(), examples


@pytest.mark.parametrize("attention", ["none", "additive"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_captions_do_not_depend_on_the_batch(
    tmp_path: Path, attention: str, cell: str
) -> None:
    given = recipe(
        write(tmp_path, PIXELS, CAPTIONS),
        attention={"kind": attention},
        decoder={"layers": 1, "hidden_size": 8, "cell": cell},
    )
    task, network, examples = opened(given)
    with torch.no_grad():
        whole = task.predict(network, examples.batch(np.arange(3)))
        for row in range(3):
            alone = task.predict(network, examples.batch(np.array([row])))
            assert alone == [whole[row]]


def test_features_of_another_network_are_positions(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float16)
    path = write(tmp_path, features, CAPTIONS)
    given = recipe(path, encoder={"kind": "features", "size": 8})
    _, network, examples = opened(given)
    batch = examples.batch(np.arange(3))
    encoded = network.encoder(batch.source, batch.source_lengths)
    assert encoded.states.shape == (3, 5, 8)
    torch.testing.assert_close(encoded.final_state[0][:, 0], encoded.states.mean(1))
    mapped = network.encoder.layers(batch.source)
    torch.testing.assert_close(encoded.states, mapped + network.encoder.positions)
    with pytest.raises(UserError, match=r"needs model.encoder: features"):
        opened(recipe(path))


def test_pixels_are_from_minus_1_to_1_and_captions_end(tmp_path: Path) -> None:
    task, network, examples = opened(recipe(write(tmp_path, PIXELS, CAPTIONS)))
    batch = examples.batch(np.arange(3))
    inputs: list[torch.Tensor] = []
    network.encoder.layers.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    with torch.no_grad():
        letter = task.tokenizer.encode(["a"])[0][-1]
        network.decoder.output_layer.bias[letter] = 1e4  # EOS never comes.
        captions = task.predict(network, batch)
    assert (inputs[0].min(), inputs[0].max()) == (-1, 1)
    assert captions == ["a" * 110] * 3


def test_labels_are_smoothed_in_training_alone(tmp_path: Path) -> None:
    given = recipe(write(tmp_path, PIXELS, CAPTIONS), dropout=0.0)
    assert given.train.label_smoothing > 0
    task, network, examples = opened(given)
    batch = examples.batch(np.arange(3))
    with torch.no_grad():
        output, _ = task.loss(network, batch)
        assert output.loss.item() == pytest.approx(output.nll.item())
        output, _ = task.loss(network.train(), batch)
        assert output.loss.item() != pytest.approx(output.nll.item())


def test_the_nearest_picture_is_one_of_training(tmp_path: Path) -> None:
    reader = CaptioningReader(recipe(write(tmp_path, PIXELS, CAPTIONS)), None)
    train = reader.read("train")
    other = CaptionedExamples(PIXELS[[2, 0]], ["x", "y"], [[], []])
    answers = reader.baselines(train, other, other)
    assert answers == {"nearest picture": [CAPTIONS[2], CAPTIONS[0]]}


def test_each_picture_is_shifted_by_itself_and_in_training_alone(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, PIXELS, CAPTIONS)
    encoder = {
        "kind": "convolution",
        "channels": [4, 8],
        "strides": [2, 2],
        "shift": 3,
    }
    _, network, examples = opened(recipe(path, encoder=encoder))
    batch = examples.batch(np.zeros(8, dtype=np.int64))  # One picture eight times.

    def states() -> Any:
        return network.encoder(batch.source, batch.source_lengths).states

    assert torch.equal(states(), states())
    network.train()
    torch.manual_seed(1)
    shifted = states()
    assert any(not torch.equal(shifted[0], other) for other in shifted[1:])


@pytest.mark.parametrize(
    ("pictures", "captions", "message"),
    [
        (PIXELS.astype(np.int64), CAPTIONS, r"int64; pixels are \(N, C, H, W\)"),
        (PIXELS[0], CAPTIONS, r"has the shape \(3, 9, 9\)"),
        (np.full((3, 2, 2), np.nan), CAPTIONS, "NaN or infinity"),
        (PIXELS, CAPTIONS[:2], r"3 pictures, but train.en has 2 lines"),
        (np.array([{}, [], 1], dtype=object), CAPTIONS, "no sound .npy file"),
        (np.full((3, 2, 2), 1e300), CAPTIONS, "NaN or infinity"),
        (np.moveaxis(PIXELS, 1, 3), CAPTIONS, "as if channels came last"),
    ],
)
def test_bad_pictures_get_one_line(
    tmp_path: Path, pictures: Any, captions: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        CaptioningReader(recipe(write(tmp_path, pictures, captions)), None).read(
            "train"
        )
    assert "\n" not in str(caught.value)


def test_features_of_any_float_and_order_are_those_of_float32(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    given = recipe(tmp_path, encoder={"kind": "features", "size": 8})
    for kind in (">f4", "f8", ">f8", "longdouble"):
        write(tmp_path, features.astype(kind, order="F"), CAPTIONS)
        _, network, examples = opened(given)
        batch = examples.batch(np.arange(3))
        assert batch.source.dtype == torch.float32
        np.testing.assert_array_equal(batch.source, features)
        network.encoder(batch.source, batch.source_lengths)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04K\x01.", b"hello"])
def test_no_other_file_is_read_as_pictures(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.npy is no sound \.npy file") as caught:
        read_pictures(tmp_path / "x.npy")
    assert "allow_pickle" not in str(caught.value)
    with pytest.raises(UserError, match=r"y\.npy cannot be read: No such file"):
        read_pictures(tmp_path / "y.npy")


def test_pictures_of_another_shape_than_the_runs_are_refused(tmp_path: Path) -> None:
    reader = CaptioningReader(recipe(write(tmp_path, PIXELS, CAPTIONS)), None)
    files = reader.vocabularies
    write(tmp_path, PIXELS[:, :, :5], CAPTIONS)
    with pytest.raises(UserError, match=r"trained on \(3, 9, 9\)"):
        CaptioningReader(recipe(tmp_path), files).read("train")


def test_drawn_combinations_are_in_one_split_and_their_words_in_training() -> None:
    captions = {s: set(shape_pictures(s)[1]) for s in ("train", "valid", "test")}
    assert not captions["train"] & captions["test"]
    assert not captions["train"] & captions["valid"]
    assert not captions["valid"] & captions["test"]
    words = {word for caption in captions["train"] for word in caption.split()}
    assert all(word in words for c in captions["test"] for word in c.split())
    pictures, lines = shape_pictures("test")
    assert pictures.shape == (len(lines), 3, 32, 32)
    for picture, line in zip(pictures, lines, strict=True):
        rows, columns = np.nonzero((picture != 255).any(axis=0))
        number, _, shape = line.split()[:3]
        pixels = {"circ": 21, "squa": 25, "tria": 13, "cros": 9}
        expected = ("one", "two", "three").index(number) + 1
        assert len(rows) == expected * pixels[shape[:4]]
        assert (rows.max() < 16) == ("top" in line)
        assert (columns.max() < 16) == ("left" in line)


def test_each_convolution_needs_its_stride(tmp_path: Path) -> None:
    encoder = {"kind": "convolution", "channels": [8, 8], "strides": [2, 1, 1]}
    with pytest.raises(ValueError, match="2 channels, but 3 strides"):
        recipe(tmp_path, encoder=encoder)


def test_strides_divide_the_picture_into_positions(tmp_path: Path) -> None:
    path = write(tmp_path, PIXELS, CAPTIONS)
    encoder = {"kind": "convolution", "channels": [4, 8], "strides": [2, 1]}
    _, network, examples = opened(recipe(path, encoder=encoder))
    batch = examples.batch(np.arange(3))
    encoded = network.encoder(batch.source, batch.source_lengths)
    assert encoded.states.shape == (3, 5 * 5, 8)  # Sides of 9, halved and rounded up.
