"""Lightning's experiment loggers in the run folder: TensorBoard, W&B and MLflow.

Nothing goes to a network unless the user's environment says so (WANDB_MODE,
MLFLOW_TRACKING_URI).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from seq2seq.errors import UserError
from seq2seq.runs.run_folder import write_json

_MODULES = {
    "tensorboard": "torch.utils.tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow.tracking",
}
# Defaults against sending or refusing of their own accord; the environment's win.
_ENVIRONMENT = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow prefers a database.
}
_PROJECT = "seq2seq"


def require_loggers(names: Sequence[str]) -> None:
    """Check that the packages of loggers are installed, and set their defaults.

    Raises:
        UserError: If a package is missing.
    """
    for name, value in _ENVIRONMENT.items() if names else ():
        os.environ.setdefault(name, value)
    for name in names:
        try:
            import_module(_MODULES[name])
        except ImportError as error:
            raise UserError(
                f"train.loggers: {name} needs a package that is not installed: "
                f"pip install 'seq2seq-recurrent[{name}]', or take it out of the list."
            ) from error


def make_loggers(names: Sequence[str], folder: Path, step: int) -> list[Logger]:
    """Open loggers, on their earlier records if the run is resumed.

    Args:
        names: tensorboard, wandb or mlflow.
        folder: The run folder; each logger gets a folder of its name in it.
        step: Optimizer steps done. TensorBoard hides what a killed run wrote after it;
            W&B and MLflow receive the same numbers again.
    """
    makers = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}
    loggers = []
    for name in dict.fromkeys(names):
        (folder / name).mkdir(exist_ok=True)
        loggers.append(makers[name](folder / name, step))
    return loggers


def _tensorboard(folder: Path, step: int) -> Logger:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="", purge_step=step + 1)


def _wandb(folder: Path, step: int) -> Logger:
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(
        name=folder.parent.resolve().name,
        save_dir=folder,
        version=_read_id(folder),
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        # train.log keeps what is printed.
        settings={"console": "off"},
    )
    _write_id(folder, logger.experiment.id)
    return logger


def _mlflow(folder: Path, step: int) -> Logger:
    from lightning.pytorch.loggers import MLFlowLogger

    uri = os.environ.get("MLFLOW_TRACKING_URI", folder.resolve().as_uri())
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
        run_name=folder.parent.resolve().name,
        tracking_uri=uri,
        run_id=_read_id(folder),
    )
    _write_id(folder, logger.run_id)
    return logger


def log_translations(
    loggers: Iterable[Logger], step: int, samples: Sequence[Mapping[str, Any]]
) -> None:
    """Give translations and their references to loggers, as text and not as markup.

    Args:
        loggers: Loggers of kinds that keep no text are left out.
        step: The optimizer step.
        samples: Rows with line, reference and hypothesis.
    """
    columns = ["line", "reference", "hypothesis"]
    rows = [[sample[column] for column in columns] for sample in samples]
    text = "\n    \n".join(f"    {ref}\n    {hyp}" for _, ref, hyp in rows)
    for logger in loggers:
        writer: Any = logger
        kind = logger.__class__.__name__
        if kind == "TensorBoardLogger":
            writer.experiment.add_text("translations", text, step)
            writer.experiment.flush()
        elif kind == "WandbLogger":
            writer.log_text("translations", columns=columns, data=rows, step=step)
        elif kind == "MLFlowLogger":
            file = f"translations/step-{step}.txt"
            writer.experiment.log_text(writer.run_id, text, file)


def close_loggers(loggers: Iterable[Logger]) -> None:
    """Close what Lightning leaves open."""
    for logger in loggers:
        writer: Any = logger
        if logger.__class__.__name__ == "WandbLogger":
            writer.experiment.finish()
        elif logger.__class__.__name__ == "TensorBoardLogger":
            writer.experiment.close()


def _read_id(folder: Path) -> str | None:
    """Return the id that a logger gave this run when it was begun."""
    try:
        return str(json.loads((folder / "id.json").read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_id(folder: Path, run_id: str | None) -> None:
    write_json(folder / "id.json", {"id": run_id})
