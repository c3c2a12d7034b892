"""Metrics and translations in TensorBoard, W&B and MLflow, while training goes on.

Knows steps, numbers, lines and Lightning's loggers; not Lightning's hooks or what the
numbers mean. Everything is written below the run folder, and nothing goes to a network
unless the user's environment says so (WANDB_MODE, MLFLOW_TRACKING_URI).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.runs.run_folder import write_json

_NEEDS = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}
_NEEDS["mlflow"] = "mlflow.tracking"
# What packages would else send, or refuse, of their own accord; the user's word counts.
_UNLESS_SAID = {
    "WANDB_MODE": "offline",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow would rather have a database.
}
_PROJECT = "seq2seq"
Row = Mapping[str, float | str]


class ExperimentLoggers:
    """Loggers of a recipe, told the same things.

    Args:
        loggers: Which: tensorboard, wandb, mlflow.
        folder: The run folder; each logger has a folder of its name in it, made when
            training begins.
        settings: The recipe, as W&B and MLflow keep it beside the numbers.

    Raises:
        InputError: If a logger's package is not installed.
    """

    def __init__(
        self, loggers: Sequence[str], folder: Path, settings: Mapping[str, Any]
    ) -> None:
        for name, value in _UNLESS_SAID.items():
            os.environ.setdefault(name, value)
        for name in loggers:
            try:
                import_module(_NEEDS[name])
            except ImportError as error:
                raise UserError(
                    f"train.loggers: {name} needs a package that is not installed: "
                    f"pip install 'seq2seq-recurrent[{name}]', or take it out of "
                    "the list."
                ) from error
        self.names = list(dict.fromkeys(loggers))
        self.folder = folder
        self.settings = settings
        self._open: dict[str, Any] = {}

    def open(self, step: int) -> None:
        """Open the loggers, on what they hold already if the run is continued.

        Args:
            step: The last step that was done. TensorBoard does not show what a killed
                run wrote after it; W&B and MLflow are told the same numbers again.
        """
        self.close()
        makers = {"tensorboard": self._tensorboard, "wandb": self._wandb}
        makers["mlflow"] = self._mlflow
        for name in self.names:
            (self.folder / name).mkdir(exist_ok=True)
            self._open[name] = makers[name](self.folder / name, step)

    def _tensorboard(self, folder: Path, step: int) -> Any:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="", purge_step=step + 1)

    def _wandb(self, folder: Path, step: int) -> Any:
        from lightning.pytorch.loggers import WandbLogger

        logger = WandbLogger(
            name=self.folder.resolve().name,
            save_dir=folder,
            version=_kept_id(folder),
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            # The screen and train.log have what was said.
            settings={"console": "off"},
        )
        logger.log_hyperparams(dict(self.settings))
        _keep_id(folder, logger.experiment.id)
        return logger

    def _mlflow(self, folder: Path, step: int) -> Any:
        from lightning.pytorch.loggers import MLFlowLogger

        place = os.environ.get("MLFLOW_TRACKING_URI", folder.resolve().as_uri())
        logger = MLFlowLogger(
            experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
            run_name=self.folder.resolve().name,
            tracking_uri=place,
            run_id=_kept_id(folder),
        )
        logger.log_hyperparams(dict(self.settings))
        _keep_id(folder, logger.run_id)
        return logger

    def log_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add numbers, a curve for each name."""
        for logger in self._open.values():
            logger.log_metrics(values, step)

    def log_translations(self, step: int, rows: Sequence[Row]) -> None:
        """Add translations beside their references, as text and not as markup."""
        columns = ["line", "reference", "hypothesis"]
        table = [[row[column] for column in columns] for row in rows]
        text = "\n    \n".join(f"    {ours}\n    {its}" for _, ours, its in table)
        for name, logger in self._open.items():
            if name == "tensorboard":
                logger.experiment.add_text("translations", text, step)
                logger.experiment.flush()
            elif name == "wandb":
                logger.log_text("translations", columns=columns, data=table, step=step)
            else:
                file = f"translations/step-{step}.txt"
                logger.experiment.log_text(logger.run_id, text, file)

    def close(self, *, finished: bool = True) -> None:
        """Close all; MLflow keeps whether the run was finished."""
        for name, logger in self._open.items():
            if name == "tensorboard":
                logger.experiment.close()
            elif name == "wandb":
                logger.experiment.finish()
            else:
                logger.finalize("finished" if finished else "failed")
        self._open = {}


def _kept_id(folder: Path) -> str | None:
    """Find the name under which a logger knows this run, if it was begun before."""
    try:
        return str(json.loads((folder / "id.json").read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep_id(folder: Path, name: str | None) -> None:
    write_json(folder / "id.json", {"id": name})
