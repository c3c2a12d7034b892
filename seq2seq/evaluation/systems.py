"""The systems of a report: hypotheses of runs and files, on one test set.

A system is a run folder or a file of hypotheses, with a name: NAME=PATH, or the path's
own. Systems with one name are seeds of one, and so are runs whose recipes differ in
nothing but their seed.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seq2seq.data.splits import load_eval_pairs, open_split
from seq2seq.errors import UserError, misaligned_error
from seq2seq.evaluation.evaluate import evaluate_split, pair_split
from seq2seq.evaluation.external_metrics import ExternalMetric
from seq2seq.evaluation.training_history import public_name
from seq2seq.evaluation.words import read_segment_scores
from seq2seq.recipe import Recipe
from seq2seq.runs.run import require_translation
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.files import read_lines
from seq2seq.utils.languages import check_language, missing_language_error
from seq2seq.utils.similar_paths import missing_error

MAX_SYSTEMS = 8
"""Systems on one page: as many as there are colours that one can tell apart."""


@dataclass(frozen=True)
class TestSet:
    """The test set.

    Attributes:
        name: Name of the data and split, or of the reference files.
        revision: Revision of a Hub dataset; None if the recipe names none.
        sources: Source lines; empty if unknown.
        references: One or more lists of lines.
        source_language: As the recipe names it; "" if unknown.
        target_language: Decides on BLEU's tokenizer.
    """

    name: str
    revision: str | None
    sources: list[str]
    references: list[list[str]]
    source_language: str
    target_language: str

    @property
    def length_side(self) -> str:
        """The side whose words are a segment's length: "source" or "reference"."""
        return "source" if self.sources else "reference"

    def fingerprint(self) -> str:
        """Return the first 12 hexadecimal digits of the SHA-256 of all lines."""
        digest = hashlib.sha256()
        for lines in (self.sources, *self.references):
            text = "".join(f"{line}\n" for line in lines) + "\0"
            digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class System:
    """A system's translations of the test set.

    Attributes:
        name: Unique in the report.
        group: Systems with one group are seeds of one.
        path: The run folder or the file.
        hypotheses: One line per segment.
        run: The run folder; None for a file.
        recipe: The run's recipe; None for a file.
        segment_scores: Scores from files: by metric, one number per segment.
    """

    name: str
    group: str
    path: Path
    hypotheses: list[str]
    run: RunFolder | None = None
    recipe: Recipe | None = None
    segment_scores: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportRequest:
    """The arguments of a report.

    Attributes:
        systems: PATH or NAME=PATH each.
        split: Split of the runs' data.
        data_path: Override of data.path, if the data has moved.
        source: File of source lines, without a run.
        references: Files of reference lines; the run's own if empty.
        language: Target language, without a run.
        to: Target language, of runs with several; the first if None.
        segment_scores: METRIC=FILE each; for one metric as many as systems, in order.
        metrics: Metrics that commands compute.
        n_bootstrap: Resampled corpora for intervals and the paired bootstrap.
        n_trials: Trials of approximate randomization.
        device: Where runs compute: cpu, cuda, cuda:1 or auto.
    """

    systems: Sequence[str]
    split: str = "test"
    data_path: str | None = None
    source: Path | None = None
    references: Sequence[Path] = ()
    language: str | None = None
    to: str | None = None
    segment_scores: Sequence[str] = ()
    metrics: Sequence[ExternalMetric] = ()
    n_bootstrap: int = 1000
    n_trials: int = 10_000
    device: str = "auto"

    @property
    def files(self) -> list[Path]:
        """The files that are read, without those of runs."""
        named = [parse_system_arg(system)[1] for system in self.systems]
        named += [Path(score.partition("=")[2]) for score in self.segment_scores]
        paths = [*named, *self.references, *filter(None, [self.source])]
        return [path for path in paths if path.is_file()]


def read_systems(request: ReportRequest) -> tuple[TestSet, list[System]]:
    """Read the test set and the systems; a run without translations translates now.

    Raises:
        UserError: If something is missing, or two things do not belong together.
    """
    if not 1 <= len(request.systems) <= MAX_SYSTEMS:
        raise UserError(
            f"{len(request.systems)} systems came; a page takes 1 to {MAX_SYSTEMS} of "
            "them."
        )
    arguments = [parse_system_arg(text) for text in request.systems]
    folders = {path: RunFolder(path) for _, path in arguments if path.is_dir()}
    recipes = {
        path: require_translation(folder.read_recipe(), path)
        for path, folder in folders.items()
    }
    recipes = _for_one_pair(request, recipes)
    test_set = _read_test_set(request, recipes)
    scores = _read_segment_scores(request, len(test_set.references[0]))
    systems: list[System] = []
    names = _unique_names(arguments, recipes)
    for index, (unique_name, (name, path)) in enumerate(
        zip(names, arguments, strict=True)
    ):
        recipe = recipes.get(path)
        if recipe is None:
            hypotheses = list(read_lines(path))
        else:
            hypotheses = _translations(request, path, recipe, test_set)
        if len(hypotheses) != len(test_set.references[0]):
            raise misaligned_error(
                f"{path} has {len(hypotheses):,} hypotheses, but {test_set.name} has "
                f"{len(test_set.references[0]):,} references"
            )
        systems.append(
            System(
                unique_name,
                name or _seed_group(recipe, systems) or unique_name,
                path,
                hypotheses,
                folders.get(path),
                recipe,
                {metric: by_system[index] for metric, by_system in scores.items()},
            )
        )
    return test_set, systems


def _for_one_pair(
    request: ReportRequest, recipes: dict[Path, Recipe]
) -> dict[Path, Recipe]:
    """Return the recipes for one language pair: a page has one test set.

    Raises:
        UserError: If a run does not translate into the language.
    """
    only = (r.data.target for r in recipes.values() if len(r.data.targets) == 1)
    to = request.to or next(only, None)
    return {
        path: recipe.model_copy(
            update={"data": recipe.data.into(to or recipe.data.target)}
        )
        for path, recipe in recipes.items()
    }


def parse_system_arg(text: str) -> tuple[str, Path]:
    """Parse PATH or NAME=PATH, whichever exists; the name is "" if none was given.

    Raises:
        UserError: If neither exists.
    """
    if Path(text).exists():
        return "", Path(text)
    for index in (i for i, char in enumerate(text) if char == "="):
        path = Path(text[index + 1 :])
        if text[:index].strip() and text[index + 1 :] and path.exists():
            return text[:index].strip(), path
    need = "Name a run folder or a file of hypotheses, as PATH or as NAME=PATH."
    raise missing_error(Path(text), need)


def _unique_names(
    arguments: Sequence[tuple[str, Path]], recipes: dict[Path, Recipe]
) -> list[str]:
    """Give every system a unique name, short where that suffices."""
    short = [name or path.resolve().name for name, path in arguments]
    names: list[str] = []
    for label, (name, path) in zip(short, arguments, strict=True):
        full = label
        if short.count(label) > 1:
            full = label if name else _unique_suffix(path, arguments)
            if name and path in recipes:
                full = f"{label} (seed {recipes[path].seed})"
        unique, number = full, 2
        while unique in names:
            unique, number = f"{full} #{number}", number + 1
        names.append(unique)
    return names


def _unique_suffix(path: Path, arguments: Sequence[tuple[str, Path]]) -> str:
    """Return as many of a path's last parts as no other path ends with."""
    own = path.resolve()
    others = [other.resolve() for _, other in arguments]
    for size in range(1, len(own.parts)):
        same = [other for other in others if other.parts[-size:] == own.parts[-size:]]
        if set(same) == {own}:
            return "/".join(own.parts[-size:])
    return own.name


def _seed_group(recipe: Recipe | None, systems: list[System]) -> str | None:
    """Return the group of an earlier run that differs in its seed alone."""
    if recipe is None:
        return None
    ignored = {"seed": 0, "description": ""}
    for system in systems:
        other = system.recipe
        if (
            other is not None
            and other.seed != recipe.seed
            and other.model_copy(update=ignored) == recipe.model_copy(update=ignored)
        ):
            return system.group
    return None


def _read_test_set(request: ReportRequest, recipes: dict[Path, Recipe]) -> TestSet:
    """Read sources and references from files, or from the data of the runs."""
    if request.language is not None:
        check_language(request.language)
    references = [list(read_lines(path)) for path in request.references]
    sources = [] if request.source is None else list(read_lines(request.source))
    name, revision = ", ".join(path.name for path in request.references), None
    first = next(iter(recipes.values()), None)
    if first is None:
        if not references:
            raise UserError(
                "hypothesis files need --reference F, and --language of the target: "
                "--reference test.de --language de."
            )
        if request.language is None:
            verb = "compare" if len(request.systems) > 1 else "report"
            options = [f"--reference={path}" for path in request.references]
            raise missing_language_error(
                shlex.join(["seq2seq", verb, *request.systems, *options])
            )
    if not references or (first is not None and not sources):
        pairs = None
        for path, recipe in recipes.items():
            data = recipe.data.with_path(request.data_path)
            split = data.splits.name_of(request.split)
            run_pairs = load_eval_pairs(data, split)
            if pairs is None:
                pairs, owner = run_pairs, path
                read = open_split(data, split).split
                name = name or f"{public_name(data.path)} {read}"
                revision = data.revision
            elif run_pairs != pairs:
                raise UserError(
                    f"{path} and {owner} have other pairs in their split "
                    f"{request.split}; only runs on one test set can be compared."
                )
        assert pairs is not None
        sources = [pair.source for pair in pairs]
        references = references or [[pair.target for pair in pairs]]
    for lines in [sources, *references]:
        if lines and len(lines) != len(references[0]):
            raise UserError(
                f"{len(lines):,} lines came for {len(references[0]):,} references; "
                "line i of all files must belong together."
            )
    source_language = "" if first is None else first.data.source
    language = request.language or (first.data.target if first else "")
    return TestSet(name, revision, sources, references, source_language, language)


def _translations(
    request: ReportRequest, path: Path, recipe: Recipe, test_set: TestSet
) -> list[str]:
    """Read the translations of a run, or make them where there are none."""
    if request.source is not None:
        from seq2seq.translate import Translator

        to = recipe.data.target
        return Translator.load(path, device=request.device, to=to)(test_set.sources)
    pair = recipe.data.source, recipe.data.target
    name = pair_split(recipe.data, request.split, pair)
    hypotheses = RunFolder(path).evaluation(name) / "hypotheses.txt"
    if hypotheses.is_file():
        return list(read_lines(hypotheses))
    return evaluate_split(
        path,
        request.split,
        data_path=request.data_path,
        pair=pair,
        device=request.device,
    ).hypotheses


def _read_segment_scores(
    request: ReportRequest, segments: int
) -> dict[str, list[list[float]]]:
    """Read scores that other programs computed: by metric, a list per system."""
    files: dict[str, list[Path]] = {}
    for text in request.segment_scores:
        metric, _, path = text.partition("=")
        if not metric.strip() or not path:
            raise UserError(f"--segment-scores {text!r} is not METRIC=FILE; give both.")
        files.setdefault(metric.strip(), []).append(Path(path))
    scores: dict[str, list[list[float]]] = {}
    for metric, paths in files.items():
        if len(paths) != len(request.systems):
            raise UserError(
                f"{len(paths)} files of {metric} scores came for "
                f"{len(request.systems)} systems; give --segment-scores once for each "
                "system, in their order."
            )
        for file in paths:
            numbers = read_segment_scores(file, list(read_lines(file)))
            if len(numbers) != segments:
                raise UserError(
                    f"{file} has {len(numbers):,} scores for {segments:,} segments; "
                    "each needs one."
                )
            scores.setdefault(metric, []).append(numbers)
    return scores
