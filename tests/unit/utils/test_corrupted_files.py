"""Files that are damaged, hostile or in use: nothing is lost, nothing gets in."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from seq2seq.data.preprocessing import CACHE_FILES, preprocess
from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions, TokenizerOptions
from seq2seq.runs.run_folder import RunFolder
from seq2seq.training.callbacks.csv_log import CSVLog
from seq2seq.training.resume import run_lock
from seq2seq.utils.checksums import (
    CHECKSUM_FILE,
    find_corruption,
    require_checksums,
    write_checksums,
)

PACKAGE = Path(__file__).resolve().parents[3] / "seq2seq"


# Checksums, folders and locks ---------------------------------------------------------


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_bytes(b"two")
    write_checksums(tmp_path, ["a", "b/c"])
    require_checksums(tmp_path, ["a", "b/c"])
    done = subprocess.run(
        ["sha256sum", "-c", CHECKSUM_FILE],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"a: OK\nb/c: OK\n"


def test_every_flipped_bit_of_the_checksum_file_is_detected(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    write_checksums(tmp_path, ["a"])
    content = (tmp_path / CHECKSUM_FILE).read_bytes()
    for bit in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / CHECKSUM_FILE).write_bytes(damaged)
        assert find_corruption(tmp_path, ["a"]), bit


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "-x", "a\0b", "a\n"])
def test_a_splits_name_cannot_lead_out_of_the_run_folder(name: str) -> None:
    with pytest.raises(UserError, match="is no name of a split"):
        RunFolder(Path("run")).evaluation(name)


def test_rows_that_are_not_whole_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,loss\n1,2.5\n\xff\xfe,3\n2\n3,1,7\n4,1.5\n12,1\n")
    table = CSVLog(path, ["step", "loss"])
    table.truncate_after(5)
    assert path.read_text().split() == ["step,loss", "1,2.5", "4,1.5"]
    table.append({"step": 4, "loss": 1.25})  # The same step once more.
    assert path.read_text().split() == ["step,loss", "1,2.5", "4,1.25"]


def test_a_run_folder_has_one_training_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    stray = tmp_path / ".seq2seq-0123456789abcdef.tmp"
    stray.write_bytes(b"left by a killed run")
    with run_lock(run):
        assert not stray.exists()
        other = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from filelock import FileLock, Timeout\n"
                "try: FileLock(sys.argv[1], timeout=0).acquire()\n"
                "except Timeout: sys.exit(7)",
                str(tmp_path / ".lock"),
            ],
            check=False,
        )
        assert other.returncode == 7
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(UserError, match="another training writes to"),
        run_lock(run),
    ):
        pass
    with run_lock(run):
        pass


def test_the_lock_of_a_killed_training_is_free(tmp_path: Path) -> None:
    code = "import os, sys; from filelock import FileLock; "
    code += "FileLock(sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / ".lock")], check=False
    )
    assert killed.returncode == -9
    with run_lock(RunFolder(tmp_path)):
        pass


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


# The network, and what the code may not do --------------------------------------------


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


def _is_false(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and node.value is True)


FORBIDDEN: dict[str, Callable[[ast.Call], bool]] = {
    "torch.load": lambda call: (
        not any(
            word.arg == "weights_only" and not _is_false(word.value)
            for word in call.keywords
        )
    ),
    "np.load": lambda call: (
        not any(
            word.arg == "allow_pickle" and _is_false(word.value)
            for word in call.keywords
        )
    ),
    "torch.jit.load": lambda call: True,
    "torch.hub.load": lambda call: True,
    "eval": lambda call: True,
    "exec": lambda call: True,
}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe_names(code: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name in PICKLES]
        elif isinstance(node, ast.ImportFrom) and node.module in PICKLES:
            names.append(node.module)
        elif isinstance(node, ast.keyword) and node.arg in (
            "weights_only",
            "allow_pickle",
            "trust_remote_code",
        ):
            safe = node.arg == "weights_only"
            if not isinstance(node.value, ast.Constant) or node.value.value != safe:
                names.append(node.arg)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in FORBIDDEN and FORBIDDEN[name](node):
                names.append(name)
    return names


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=maybe)",
        "trainer.fit(weights_only=False)",
        "import pickle",
        "from pickle import loads",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "load_dataset(name, trust_remote_code=True)",
        "eval(text)",
    ],
)
def test_the_lint_finds_what_runs_code(code: str) -> None:
    assert unsafe_names(code)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem
)
def test_no_code_runs_what_a_file_brings(path: Path) -> None:
    assert unsafe_names(path.read_text(encoding="utf-8")) == []
