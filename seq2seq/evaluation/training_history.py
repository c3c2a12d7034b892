"""Training history of a run: logged metrics, facts, data statistics and the recipe."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from statistics import median
from typing import Any, Protocol

from seq2seq.errors import UserError
from seq2seq.recipe import BaseRecipe
from seq2seq.recipe.loader import read_recipe, recipe_names
from seq2seq.runs.run_folder import RunFolder

Series = list[tuple[float, float]]


@dataclass(frozen=True)
class ConfigValue:
    """A key of the resolved recipe.

    Attributes:
        key: Full name, such as model.dropout.
        value: As JSON.
        base: Value in the base recipe, as JSON; None if equal.
    """

    key: str
    value: str
    base: str | None


@dataclass(frozen=True)
class TrainingHistory:
    """Training history of a run.

    Attributes:
        series: Columns of metrics.csv: steps and values.
        facts: Facts of the training, as label and text.
        data: Counts of pairs read, kept and dropped, as label and text.
        versions: Versions of packages, and the hardware.
        base: Name of the recipe that the settings are compared with.
        settings: The resolved recipe.
        clip_norm: Norm that gradients are clipped to; None without clipping.
    """

    series: dict[str, Series]
    facts: list[tuple[str, str]]
    data: list[tuple[str, str]]
    versions: dict[str, str]
    base: str
    settings: list[ConfigValue]
    clip_norm: float | None


class Trained(Protocol):
    """A system that may have been trained here."""

    @property
    def name(self) -> str: ...

    @property
    def training_history(self) -> TrainingHistory | None: ...


def read_training_history(run: RunFolder, recipe: BaseRecipe) -> TrainingHistory:
    """Read the history from the files of a run folder; missing files are skipped."""
    series = read_series(run.metrics)
    base, settings = _settings(recipe)
    versions = _read_json(run.path / "versions.json")
    return TrainingHistory(
        series,
        _facts(_read_json(run.summary), series, recipe),
        _data(_read_json(run.data)),
        {name: str(text) for name, text in versions.items()},
        base,
        settings,
        recipe.train.clip_norm,
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}. Remove it.") from error
    return content if isinstance(content, dict) else {}


def read_series(path: Path) -> dict[str, Series]:
    """Read the numeric columns of metrics.csv, by step."""
    series: dict[str, Series] = {}
    if not path.is_file():
        return series
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                step = float(row["step"])
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{path} is damaged: it has no steps.") from error
            for name, text in row.items():
                value = _number(text)
                if name != "step" and value is not None:
                    series.setdefault(str(name), []).append((step, value))
    return series


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _facts(
    summary: dict[str, Any], series: dict[str, Series], recipe: BaseRecipe
) -> list[tuple[str, str]]:
    facts = []
    if not summary:
        facts.append(("training", "not finished: there is no summary.json"))
    if "parameters" in summary:
        frozen = summary.get("frozen_parameters")
        note = f", {frozen:,} of them not trained" if frozen else ""
        facts.append(("parameters", f"{summary['parameters']:,}{note}"))
    steps = summary.get("steps") or max(
        (x for x, _ in series.get("epoch", [])), default=0
    )
    if steps:
        epochs = series.get("epoch", [(0, 0.0)])[-1][1]
        facts.append(("optimizer steps", f"{steps:,.0f} ({epochs:.2f} epochs)"))
    seconds = summary.get("seconds") or series.get("seconds", [(0, 0)])[-1][1]
    if seconds:
        facts.append(("time of training", format_duration(seconds)))
    if "stopped" in summary:
        facts.append(("why it stopped", str(summary["stopped"])))
    if summary.get("warning"):
        facts.append(("last validation loss", str(summary["warning"])))
    if "best_step" in summary:
        value = summary.get(f"best_valid_{recipe.train.monitor}")
        text = f"step {summary['best_step']:,}"
        if isinstance(value, int | float):
            monitor = recipe.train.monitor
            name = "BLEU" if monitor == "bleu" else monitor.replace("_", " ")
            text += f", validation {name} {value:.2f}"
        facts.append(("best validation", text))
    if rates := [value for _, value in series.get("tokens_per_second", [])]:
        targets = "target tokens" if recipe.task == "translation" else "targets"
        facts.append((f"{targets} a second", f"{median(rates):,.0f} (median)"))
    norms = [value for _, value in series.get("gradient_norm", [])]
    limit = recipe.train.clip_norm
    if norms and limit is not None:
        share = sum(norm > limit for norm in norms) / len(norms)
        text = f"{share:.0%} of {len(norms):,} measured steps"
        facts.append(("gradients clipped", text))
    return facts


def _data(content: dict[str, Any]) -> list[tuple[str, str]]:
    names = {
        "total": "pairs read",
        "kept": "pairs kept",
        "blank": "dropped: blank",
        "duplicate": "dropped: duplicates",
        "copied": "dropped: copies of the source",
        "too_long": "dropped: too long",
        "length_ratio": "dropped: of unlike lengths",
        "multi_sentence": "sources of several sentences",
        "examples": "training examples",
        "source_positions": "their source positions",
        "targets": "their targets",
        "tokens": "training tokens",
        "fingerprint": "fingerprint",
    }
    train = content.get("train", {})
    counts = [
        (label, f"{train[key]:,}" if isinstance(train[key], int) else str(train[key]))
        for key, label in names.items()
        if key in train
    ]
    counts += [
        (
            f"{side} tokens of the initial run",
            f"{tokens['copied']:,} of {tokens['tokens']:,}",
        )
        for side, tokens in content.get("initial_tokens", {}).items()
    ]
    nouns = {"sentences": "pairs", "examples": "examples", "tokens": "tokens"}
    counts += [
        (f"validation {noun}", f"{content['valid'][key]:,}")
        for key, noun in nouns.items()
        if key in content.get("valid", {})
    ]
    return counts


def _settings(recipe: BaseRecipe) -> tuple[str, list[ConfigValue]]:
    """Compare a recipe with its shipped base, or with the defaults.

    A resolved recipe does not name its base, but it keeps the description.
    """
    base: BaseRecipe | None = None
    name = "the defaults"
    for candidate in recipe_names():
        shipped = read_recipe(candidate)
        if type(shipped) is not type(recipe) or not shipped.description:
            continue
        if shipped.description == recipe.description:
            base, name = shipped, f"the recipe {candidate}"
            break
    if base is None:
        fields = type(recipe.data).model_fields.items()
        needed = {key for key, field in fields if field.is_required()}
        train: dict[str, Any] = {"max_steps": recipe.train.max_steps or 1}
        if recipe.task != "translation":  # Keys of their data depend on each other.
            needed = set(type(recipe.data).model_fields)
            train["monitor"] = recipe.train.monitor
        base = type(recipe).model_validate(
            {
                **recipe.model_dump(include={"task": True, "data": needed}),
                "train": train,
            }
        )
    base_values = flatten(base.model_dump(mode="json"))
    settings = []
    for key, value in flatten(recipe.model_dump(mode="json")).items():
        if key not in ("description", "tune"):
            base_text = (
                _text(_public(base_values[key])) if key in base_values else "not there"
            )
            text = _text(_public(value))
            equal = base_text == text
            settings.append(ConfigValue(key, text, None if equal else base_text))
    return name, settings


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested sections by full names, such as model.dropout."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _public(value: Any) -> Any:
    """Name the files and folders in a value of a recipe as `public_name` does."""
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    return public_name(value) if isinstance(value, str) else value


def public_name(path: str) -> str:
    """Return the last part of a path that tells where its author keeps files.

    Such are absolute paths and those that begin with ~ or contain "..". Relative paths,
    datasets of the Hub and other text are returned as they are.
    """
    for kind in (PurePosixPath, PureWindowsPath):
        parts = kind(path).parts
        if kind(path).is_absolute() or ".." in parts or path.startswith("~"):
            return kind(path).name or path
    return path


def format_duration(seconds: float) -> str:
    """Format a duration in its two largest units."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
