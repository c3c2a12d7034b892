"""Export a run as a model folder."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.runs.model_card import (
    copied_card,
    eval_results,
    model_card,
    saved_scores,
)
from seq2seq.runs.model_folder import (
    CARD,
    CONFIG,
    EVAL_RESULTS,
    EXPORTS,
    GENERATION,
    WEIGHTS,
    config_of,
    write_sums,
)
from seq2seq.runs.run_folder import RunFolder, write_json
from seq2seq.runs.safetensors import write_safetensors
from seq2seq.runs.task_run import TaskRun
from seq2seq.utils.checksums import listed_names, write_checksums
from seq2seq.utils.files import replaced_folder

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def export_model(
    run: TaskRun, path: Path, *, license_key: str | None = None, half: bool = False
) -> None:
    """Write a model folder, which appears once it is complete.

    Args:
        run: The run, or another model folder.
        path: The folder: new, or a model folder, which is replaced.
        license_key: For the model card, such as cc-by-4.0.
        half: Whether to round weights to 16 bits, float16; exports for other engines,
            which have all bits, are then left out.

    Raises:
        UserError: If the folder cannot be written, or is anything else, or the run's
            weights cannot be read.
    """
    if path.exists() and not (path / CONFIG).is_file():
        raise UserError(
            f"{path} exists and is no model folder; name a new folder after --to."
        )
    if path.resolve() == run.folder.path.resolve():
        raise UserError(f"{path} is what would be exported; name another folder.")
    network = run.network()
    weights = network.state_dict()
    parameters = sum(tensor.numel() for tensor in network.parameters())
    share = run.folder.multi_sentence_share()
    config, search = config_of(run.recipe, parameters=parameters, share=share)
    if run.folder.is_model and not saved_scores(run.folder):
        notes = _copied_notes(run.folder.path, path.name, license_key)
    else:
        notes = eval_results(run.recipe, run.folder)
        notes[CARD] = model_card(
            run.recipe,
            run.folder,
            name=path.name,
            parameters=parameters,
            license_key=license_key,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_folder(path) as folder:
        write_json(folder / CONFIG, config)
        if search is not None:
            write_json(folder / GENERATION, search)
        write_safetensors(folder / WEIGHTS, _rounded(weights) if half else weights)
        RunFolder(folder).write_vocabularies(run.folder.read_vocabularies())
        for name, text in notes.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        for name in () if half else EXPORTS:
            if (run.folder.path / name).is_dir():
                shutil.copytree(run.folder.path / name, folder / name)
        write_sums(folder)
        _adopt_exports(folder, run.fingerprint())


def _copied_notes(folder: Path, name: str, license_key: str | None) -> dict[str, str]:
    """Return the card and scores of a model folder, for a copy of it."""
    paths = [folder / CARD, *folder.glob(f"{EVAL_RESULTS}/*.yaml")]
    notes = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in paths
        if path.is_file()
    }
    if CARD in notes:
        notes[CARD] = copied_card(notes[CARD], name, license_key)
    return notes


def _rounded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float16, tied ones still tied."""
    rounded = {part.data_ptr(): part.half() for part in weights.values()}
    return {name: rounded[part.data_ptr()] for name, part in weights.items()}


def _adopt_exports(folder: Path, old: str) -> None:
    """Say in ONNX exports of this run that they are of this folder."""
    fingerprint = TaskRun.open(folder).fingerprint()
    for path in folder.glob(f"onnx*/{MANIFEST}"):
        manifest = json.loads(path.read_bytes())
        if manifest.get("fingerprint") != old:
            log.warning(
                "%s is left out: it was exported from other weights; export it again",
                path.parent.name,
            )
            shutil.rmtree(path.parent)
            continue
        write_json(path, manifest | {"fingerprint": fingerprint})
        write_checksums(path.parent, listed_names(path.parent))
