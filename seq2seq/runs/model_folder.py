"""A model folder: what answers, without what trained it, to hand on.

config.json          format, task, languages, sizes and the resolved recipe
generation.json      the recipe's section search, of a translation
model.safetensors    the weights
tokenizer/           what ids mean
onnx*/, shortlist/   exports, where the run has them
README.md            the model card
.eval_results/       scores by data set, where the data has an id on the Hub
SHA256SUMS           checksums of all that answers depend on; exports have their own

The card and .eval_results/ have no checksums, since people and the Hub edit them, and
nothing reads them. Paths in the recipe are those of the training machine: only their
last part is kept.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

import seq2seq
from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe, Recipe, recipe_class
from seq2seq.utils.checksums import (
    CHECKSUM_FILE,
    listed_names,
    require_checksums,
    write_checksums,
)

log = logging.getLogger(__name__)

CONFIG = "config.json"
GENERATION = "generation.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
DEMO = "demo"
SNAPSHOTS = "snapshots"
"""Where the Hub's cache keeps folders."""
FORMAT = 1
MODEL_TYPE = "seq2seq-recurrent"
EXPORTS = ("onnx", "onnx-int8", "shortlist")
EVAL_RESULTS = ".eval_results"
FILES = (
    *(CONFIG, GENERATION, WEIGHTS, CARD, CHECKSUM_FILE),
    *(f"{name}/*" for name in ("tokenizer", *EXPORTS)),
    f"{EVAL_RESULTS}/*.yaml",
)
"""Patterns of all files that a model folder may have."""


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
    languages = {name: data[name] for name in names if data.get(name)}
    if isinstance(recipe, Recipe) and len(recipe.data.pairs) > 1:
        languages["pairs"] = [list(pair) for pair in recipe.data.pairs]
    config = {
        "format": FORMAT,
        "model_type": MODEL_TYPE,
        "seq2seq_version": seq2seq.__version__,
        "task": recipe.task,
        "languages": languages,
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
        if GENERATION in listed_names(folder):
            require_checksums(folder, [GENERATION])
            content["search"] = json.loads((folder / GENERATION).read_bytes())
        recipe = recipe_class(content["task"]).model_validate(content)
    except UserError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{path} is no recipe: {key}: {first['msg']}.") from error
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged or not ours ({error!r:.100}).") from error
    return recipe, config


def require_unlinked(folder: Path) -> None:
    """Refuse a folder that reaches out of itself.

    In a snapshot of the Hub's cache every file is a link to a blob of the same model.

    Raises:
        UserError: If something in it is any other link.
    """
    blobs = folder.absolute().parent.parent / "blobs"
    is_cached = folder.absolute().parent.name == SNAPSHOTS
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink():
            continue
        target = Path(os.path.normpath(path.absolute().parent / path.readlink()))
        if not is_cached or target.parent != blobs or not path.is_file():
            raise UserError(
                f"{path} is a link; a model folder holds files alone. Copy it with: cp "
                f"-rL {folder} COPY"
            )


def model_files(folder: Path) -> list[str]:
    """Return the names of all files of a model folder, verified.

    Raises:
        UserError: If it is no model folder, or a file is missing, damaged or a link, or
            SHA256SUMS lists what no model folder has.
    """
    if (folder / "recipe.yaml").is_file():
        raise UserError(
            f"{folder} is a run; export it first: seq2seq export {folder} --to NAME"
        )
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"{folder} is no model folder: it has no {CONFIG}. Make one of a run: "
            f"seq2seq export RUN --to {folder}"
        )
    read_config(folder)
    listed = listed_names(folder)
    if strange := [name for name in listed if not _is_known(name)]:
        raise UserError(
            f"{folder / CHECKSUM_FILE} lists {strange[0]!r}, which no model folder "
            "has; export the run again."
        )
    require_checksums(folder, [WEIGHTS, *listed])
    names = {*listed, CHECKSUM_FILE, CARD}
    for export in EXPORTS:
        if (folder / export).is_dir():
            own = listed_names(folder / export)
            require_checksums(folder / export, own)
            names |= {f"{export}/{name}" for name in (CHECKSUM_FILE, *own)}
    names |= {f"{EVAL_RESULTS}/{p.name}" for p in folder.glob(f"{EVAL_RESULTS}/*.yaml")}
    return sorted(name for name in names if (folder / name).is_file())


def unlisted_files(folder: Path, names: Iterable[str]) -> list[str]:
    """Return the names of the other files in a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted({path.relative_to(folder).as_posix() for path in paths} - {*names})


def write_sums(folder: Path) -> None:
    """Write the checksums of all that answers depend on."""
    names = [CONFIG, GENERATION, WEIGHTS]
    names += [p.relative_to(folder).as_posix() for p in folder.glob("tokenizer/*")]
    write_checksums(folder, sorted(n for n in names if (folder / n).is_file()))


def _is_known(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in FILES)


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
