"""Two processes train what one trains; each knows its place, and bad ones are told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.distributed import DistributedConfig, detect_distributed
from seq2seq.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")

STEPS = 20
SCRIPT = Path(__file__).resolve().parents[1] / "helpers" / "two_ranks.py"


def write_corpus(folder: Path, *, train: int, valid: int) -> Path:
    folder.mkdir()
    for split, count in (("train", train), ("valid", valid)):
        pairs = list(phrase_pairs("train", count=count))
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def recipe(data: Path, **options: Any) -> Recipe:
    layers = {"cell": "gru", "layers": 1, "hidden_size": 16}
    return Recipe.model_validate(
        {
            "data": {"path": str(data), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 300},
            "model": {"embedding_size": 16, "encoder": layers, "decoder": layers}
            | {"attention": {"kind": "general"}, "dropout": 0.2, "word_dropout": 0.1},
            "train": {
                "max_steps": STEPS,
                "batch_tokens": 400,
                # Adam would make steps of the rounding errors of gradients near zero.
                "optimizer": {"kind": "sgd", "learning_rate": 0.5},
                "validate_every": 8,
                "checkpoint_every": 5,
                "accumulate_grad_batches": 2,
                "ema_decay": 0.9,
                "freeze": ["bridge"],  # DDP must not wait for its gradients.
                **options,
            },
        }
    )


def run(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else gets, and that the first process may listen on."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def torchrun(port: int, *arguments: object) -> list[subprocess.Popen[str]]:
    """Start two processes with torchrun's variables, without its own start-up."""
    shared = {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
    }
    return [
        run(*arguments, **shared, RANK=str(rank), LOCAL_RANK=str(rank))
        for rank in (0, 1)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process that trains through, and two that die and continue."""
    folder = tmp_path_factory.mktemp("ranks")
    data = write_corpus(folder / "data", train=600, valid=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2SEQ_CACHE", str(folder / "cache"))
        torch.set_num_threads(1)
        train(recipe(data, accumulate_grad_batches=4), folder / "one")
        yaml = folder / "two.yaml"
        yaml.write_text(recipe_yaml(recipe(data)), encoding="utf-8")
        cut = run(yaml, folder / "two", 13)
        said, _ = cut.communicate(timeout=1200)
        assert cut.returncode == 9, said
        assert "2 processes on the CPU, 1 thread each" in said
        assert not (folder / "two" / "summary.json").exists()
        with reserved_port() as port:
            both = torchrun(port, yaml, folder / "two")
            said = [process.communicate(timeout=1200)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert "continuing from" in said[0]
        assert said[1] == ""  # Only the first process speaks.
    return folder


def test_two_processes_train_what_one_trains(runs: Path) -> None:
    one, two = (
        read_checkpoint(runs / name / "checkpoints/last.ckpt")
        for name in ("one", "two")
    )
    assert one["global_step"] == two["global_step"] == STEPS
    for kind in ("state_dict", "current_model_state"):
        for name, weights in one[kind].items():
            assert torch.allclose(two[kind][name], weights, rtol=0, atol=1e-5), name


def test_all_processes_hold_the_same_bits(runs: Path) -> None:
    first, second = (torch.load(runs / f"two-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_first_process_writes_for_all(runs: Path) -> None:
    one, two = (
        [row.split(",") for row in (runs / name / "metrics.csv").read_text().split()]
        for name in ("one", "two")
    )
    at = [one[0].index(name) for name in ("step", "valid_loss", "valid_bleu", "best")]
    expected, written = (
        [[float(row[column] or "nan") for column in at] for row in rows[1:]]
        for rows in (one, two)
    )
    # Sums come in another order, so the last digit that is written may differ.
    assert two[0] == one[0]
    assert np.allclose(written, expected, rtol=0, atol=1e-4, equal_nan=True)
    assert json.loads((runs / "two" / "data.json").read_text())["processes"] == 2
    assert (runs / "two" / "train.log").read_text().count("finished after") == 1


def test_another_number_of_processes_does_not_continue_a_run(runs: Path) -> None:
    yaml = runs / "two" / "recipe.yaml"
    from seq2seq.recipe.loader import read_recipe

    with pytest.raises(UserError, match="trained by 2 processes, now there is 1"):
        train(read_recipe(str(yaml)), runs / "two")


def test_too_few_batches_for_all_are_refused(tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data", train=300, valid=2)
    few = recipe(data, accumulate_grad_batches=160)
    with pytest.raises(UserError) as caught:
        train(few, tmp_path / "run", device="cpu", distributed=DistributedConfig(2))
    assert "296 pairs can make 296 batches, but an optimizer step needs 320: " in str(
        caught.value
    )


TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "13", "LOCAL_RANK": "5"}
TORCHRUN |= {"WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}
SLURM = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "8", "SLURM_PROCID": "3"}
SLURM |= {"SLURM_NNODES": "2"}


@pytest.mark.parametrize(
    ("environment", "devices", "found"),
    [
        ({}, None, DistributedConfig()),
        ({}, 2, DistributedConfig(2)),
        ({"LOCAL_RANK": "1"}, 2, DistributedConfig(2, rank=1)),
        (TORCHRUN, None, DistributedConfig(8, 2, 13, "torchrun")),
        (TORCHRUN, 8, DistributedConfig(8, 2, 13, "torchrun")),
        (SLURM, None, DistributedConfig(4, 2, 3, "slurm")),
        # A shell within an allocation is no task of it.
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None, DistributedConfig()),
    ],
)
def test_a_process_knows_its_place(
    environment: dict[str, str], devices: int | None, found: DistributedConfig
) -> None:
    assert detect_distributed(devices, environment) == found


@pytest.mark.parametrize(
    ("environment", "devices", "says"),
    [
        (TORCHRUN, 4, "--devices is 4, but torchrun started 8 processes on each node"),
        (SLURM | {"SLURM_NTASKS": "7"}, None, "slurm started 7 processes"),
    ],
)
def test_contradictions_are_named(
    environment: dict[str, str], devices: int | None, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        detect_distributed(devices, environment)
