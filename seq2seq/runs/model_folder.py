"""A model folder: what answers, without what trained it, to hand on.

config.json          format, task, languages, sizes and the resolved recipe
generation.json      the recipe's section search, of a translation
model.safetensors    the weights
tokenizer/           what ids mean
onnx*/, shortlist/   exports, where the run has them
README.md            the model card
SHA256SUMS           checksums of all but exports, which have their own

Paths in the recipe are those of the training machine: only their last part is kept.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

import seq2seq
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe, recipe_class
from seq2seq.utils.checksums import CHECKSUM_FILE, require_checksums, write_checksums

log = logging.getLogger(__name__)

CONFIG = "config.json"
GENERATION = "generation.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
DEMO = "demo"
FORMAT = 1
MODEL_TYPE = "seq2seq-recurrent"
EXPORTS = ("onnx", "onnx-int8", "shortlist")


def shipped_model(path: str | Path) -> Path:
    """Return the path of the model that ships with the package for the name demo.

    Any other path, and a file or folder of that name, stays what it is.
    """
    path = Path(path)
    if str(path) != DEMO or path.exists():
        return path
    return Path(seq2seq.__file__).parent / DEMO


def config_of(recipe: BaseRecipe, *, parameters: int, share: float | None) -> Any:
    """Return the contents of config.json and, of a translation, generation.json.

    Args:
        recipe: The resolved recipe.
        parameters: Number of the network's weights.
        share: Of training sources that hold more than one sentence; None if unknown.
    """
    content = _without_folders(recipe.model_dump(mode="json"))
    search = content.pop("search", None)
    data = content["data"]
    names = ("source", "target", "language")
    config = {
        "format": FORMAT,
        "model_type": MODEL_TYPE,
        "seq2seq_version": seq2seq.__version__,
        "task": recipe.task,
        "languages": {name: data[name] for name in names if data.get(name)},
        "parameters": parameters,
        "multi_sentence_share": share,
        "recipe": content,
    }
    return config, search


def read_config(folder: Path) -> tuple[BaseRecipe, dict[str, Any]]:
    """Read the recipe of a model folder, and config.json as it is.

    Raises:
        UserError: If a file is missing, damaged, a link, or of another format.
    """
    path = folder / CONFIG
    require_unlinked(folder)
    require_checksums(folder, [CONFIG])
    try:
        config = json.loads(path.read_bytes())
        if config["model_type"] != MODEL_TYPE:
            raise ValueError(f"model_type is {str(config['model_type'])[:40]!r}")
        if config["format"] != FORMAT:
            raise UserError(
                f"{folder} has the model format {str(config['format'])[:20]}, but this "
                f"version reads {FORMAT}; use the seq2seq that wrote it."
            )
        content = dict(config["recipe"])
        if (folder / GENERATION).exists():
            require_checksums(folder, [GENERATION])
            content["search"] = json.loads((folder / GENERATION).read_bytes())
        recipe = recipe_class(content["task"]).model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is no recipe: {key}: {first['msg']}.") from error
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged or not ours ({error!r:.100}).") from error
    return recipe, config


def require_unlinked(folder: Path) -> None:
    """Refuse a folder that reaches out of itself.

    Raises:
        UserError: If something in it is a link.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UserError(
                f"{path} is a link; a model folder holds files alone. Copy it with: cp "
                f"-rL {folder} COPY"
            )


def write_sums(folder: Path) -> None:
    """Write the checksums of all files but those of exports, which have their own."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != CHECKSUM_FILE
    )
    own = tuple(f"{name}/" for name in EXPORTS)
    write_checksums(folder, [name for name in names if not name.startswith(own)])


def _without_folders(value: Any) -> Any:
    """Keep the last part of paths that lead out of the working folder."""
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part) for part in value]
    if isinstance(value, str):
        path = PurePath(value)
        if path.is_absolute() or path.parts[:1] in (("..",), ("~",)):
            return path.name
    return value
