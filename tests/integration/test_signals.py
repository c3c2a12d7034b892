"""Several signals to one training, and one sick step in a training of several."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.recipe import Recipe
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.training.module import TrainingModule
from seq2seq.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")
HERE = Path(__file__).resolve().parents[1] / "helpers"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 300), ("valid", 4)):
        pairs = list(phrase_pairs("train", count=count))
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def tiny(data: Path, **options: Any) -> Recipe:
    stack = {"cell": "gru", "layers": 1, "hidden_size": 8}
    return Recipe.model_validate(
        {
            "data": {"path": str(data), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 200},
            "model": {"embedding_size": 8, "encoder": stack, "decoder": stack},
            "train": {
                "max_steps": 6,
                "batch_tokens": 400,
                "validate_every": 100,
                "checkpoint_every": 2,
                "optimizer": {"kind": "sgd", "learning_rate": 0.5},
                **options,
            },
        }
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    found = read_checkpoint(run / "checkpoints/last.ckpt")["state_dict"]
    assert isinstance(found, dict)
    return found


def train_until_interrupted(recipe: Recipe, run: Path, *, times: int) -> int:
    """Train in a process that is interrupted amid step 4; return its exit status."""
    child = os.fork()
    if child == 0:
        stream = os.open(f"{run}.said", os.O_WRONLY | os.O_CREAT)
        os.dup2(stream, 2)
        healthy = TrainingModule.training_step

        def step(self: TrainingModule, batch: Any, index: int) -> dict[str, Any]:
            if self.global_step == 3:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)  # Handled before it returns.
            return healthy(self, batch, index)

        TrainingModule.training_step = step  # type: ignore[method-assign]
        try:
            train(recipe, run)
        except BaseException:
            os._exit(7)  # The first signal alone ends it here, once it has saved.
        os._exit(8)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_second_signal_ends_a_training_at_once_and_harms_nothing(
    data: Path, tmp_path: Path
) -> None:
    recipe = tiny(data)
    assert train_until_interrupted(recipe, tmp_path / "once", times=1) == 7
    assert train_until_interrupted(recipe, tmp_path / "twice", times=2) == 130
    for name, step in (("once", 4), ("twice", 2)):
        last = read_checkpoint(tmp_path / name / "checkpoints/last.ckpt")
        assert last["global_step"] == step
        said = (tmp_path / f"{name}.said").read_text()
        assert said == "saving after this step; interrupt again to end at once\n"
    train(recipe, tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    for name in ("once", "twice"):
        train(recipe, tmp_path / name)
        found = weights(tmp_path / name)
        assert all(torch.equal(found[key], whole[key]) for key in whole)


@pytest.mark.parametrize("answer", ["stop", "retry"])
def test_what_is_sick_in_one_process_is_sick_in_all(
    data: Path, tmp_path: Path, answer: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe_yaml(tiny(data, on_nan=answer)), encoding="utf-8")
    run = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, str(HERE / "two_ranks_non_finite.py"), str(recipe), str(run)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    # Of both processes' batches, though the first one's was sound.
    sick = (run / "not-finite-step-3.tsv").read_text(encoding="utf-8").splitlines()
    rows = [int(line.split("\t")[0]) for line in sick]
    shares = [json.loads(Path(f"{run}-{rank}.json").read_text()) for rank in (0, 1)]
    assert all(shares)
    assert rows == [*shares[0], *shares[1]]
    if answer == "stop":
        assert done.returncode == 1
        assert f"The {len(rows)} examples of its batch are in" in done.stderr
        last = read_checkpoint(run / "checkpoints/last.ckpt")
        assert last["global_step"] == 2
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert (run / "train.log").read_text().count("Trying again with 0.5 times") == 1
    one, other = (torch.load(f"{run}-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    last = read_checkpoint(run / "checkpoints/last.ckpt")
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == 0.25
