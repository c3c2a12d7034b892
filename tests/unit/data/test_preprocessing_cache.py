"""The cache of preprocessed data: damaged, shared, and without the network."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seq2seq.data.preprocessing import CACHE_FILES, preprocess
from seq2seq.recipe import DataOptions, TokenizerOptions

CHARACTERS = TokenizerOptions(model_type="char", vocab_size=60)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataOptions:
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    for language in ("en", "de"):
        lines = [f"{language} {letter}" for letter in "bcdfgh"]
        (tmp_path / f"train.{language}").write_text("\n".join(lines))
    return DataOptions(path=str(tmp_path), source="en", target="de")


@pytest.mark.parametrize("name", CACHE_FILES)
@pytest.mark.parametrize("act", ["flip", "cut", "remove"])
def test_a_damaged_cache_is_made_anew(corpus: DataOptions, name: str, act: str) -> None:
    first = preprocess(corpus, CHARACTERS, print)
    folder = first.path.parent
    expected = {file: (folder / file).read_bytes() for file in CACHE_FILES}
    content = bytearray(expected[name])
    content[len(content) // 2] ^= 4
    if act == "flip":
        (folder / name).write_bytes(content)
    elif act == "cut":
        (folder / name).write_bytes(content[: len(content) // 3])
    else:
        (folder / name).unlink()
    messages: list[str] = []
    again = preprocess(corpus, CHARACTERS, messages.append)
    assert "preprocessing again" in messages[0]
    assert again.fingerprint == first.fingerprint
    assert {file: (folder / file).read_bytes() for file in CACHE_FILES} == expected
    messages.clear()
    preprocess(corpus, CHARACTERS, messages.append)
    assert "from the cache" in messages[0]


PREPARE = """
import sys
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.data.preprocessing import preprocess
data = DataOptions(path=sys.argv[1], source="en", target="de")
preprocess(data, TokenizerOptions(model_type="char", vocab_size=60), print)
"""


@pytest.mark.slow
def test_four_trainings_share_one_cache(corpus: DataOptions) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARE, corpus.path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    trained = [out for out, _ in outputs if "training a char tokenizer" in out]
    assert len(trained) == 1


def test_nothing_is_fetched_unless_the_recipe_names_it(
    corpus: DataOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*values: Any, **named: Any) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    preprocess(corpus, CHARACTERS, print)
    phrasebook = DataOptions(path="phrasebook", source="en", target="de", max_pairs=50)
    preprocess(phrasebook, TokenizerOptions(vocab_size=120), print)
