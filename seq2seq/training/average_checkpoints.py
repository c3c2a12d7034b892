"""Average checkpoints: one run whose weights are the mean of several."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.engines.factory import open_runs
from seq2seq.errors import UserError
from seq2seq.runs.checkpoint_io import write_checkpoint
from seq2seq.runs.checkpoint_reader import NETWORK_PREFIX
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import RunFolder, package_versions, write_json
from seq2seq.utils.files import atomic_file


def average(paths: Sequence[Path], output: Path) -> None:
    """Make a run whose weights are the mean of others'.

    It helps where these lie near each other: checkpoints of one training. The mean of
    trainings from different seeds is of no use; they want an ensemble.

    Args:
        paths: Runs, or checkpoints in runs; two at least.
        output: The run folder to make.

    Raises:
        UserError: If the output is there already, there are fewer than two, or their
            tokenizers or networks are not the same.

    Source: Junczys-Dowmunt et al. 2016 (The AMU-UEDIN submission), section 4.3.
    """
    if len(paths) < 2:
        raise UserError(
            "an average needs two runs or checkpoints at least; name more, such as "
            "RUN/checkpoints/best.ckpt RUN/checkpoints/last.ckpt."
        )
    if output.exists():
        raise UserError(f"{output} is there already; name another folder.")
    if not output.resolve().parent.is_dir():
        raise UserError(f"{output} cannot be made: {output.parent} is no folder.")
    runs = open_runs(paths[0], paths[1:])
    for run in runs[1:]:
        _require_same_network(runs[0], run)
    weights = _mean(runs)

    temporary = output.resolve().parent / f".seq2seq-{secrets.token_hex(8)}.tmp"
    folder = RunFolder(temporary)
    try:
        folder.best.parent.mkdir(parents=True)
        folder.write_vocabularies(runs[0].task.vocabularies)
        shutil.copyfile(runs[0].folder.recipe, folder.recipe)
        folder.write_checksums()
        if runs[0].folder.data.is_file():
            shutil.copyfile(runs[0].folder.data, folder.data)
        of = [{"path": str(r.checkpoint), "sha256": r.fingerprint()} for r in runs]
        write_json(temporary / "average.json", {"of": of})
        write_json(temporary / "versions.json", package_versions())
        with atomic_file(folder.best) as file:
            write_checkpoint({"state_dict": weights}, file)
        temporary.rename(output)
    except OSError as error:
        raise UserError(f"{output} cannot be made: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_same_network(one: Run, other: Run) -> None:
    for key, first, second in one.recipe.model.diff_options(other.recipe.model):
        raise UserError(
            f"model.{key} is {first} in {one.folder.path}, but {second} in "
            f"{other.folder.path}; only weights of the same network have a mean. "
            "Translate with --ensemble instead."
        )


def _mean(runs: Sequence[Run]) -> dict[str, Tensor]:
    """Average in 64 bits, with one network in memory at a time."""
    total: dict[str, Tensor] = {}
    dtypes: dict[str, torch.dtype] = {}
    for run in runs:
        for name, tensor in run.network().state_dict().items():
            dtypes[name] = tensor.dtype
            total[name] = total.get(name, 0.0) + tensor.double()
    return {
        f"{NETWORK_PREFIX}{name}": (tensor / len(runs)).to(dtypes[name])
        for name, tensor in total.items()
    }
