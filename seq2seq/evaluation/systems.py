"""What is compared: hypotheses of runs and files, on one test set. Knows files.

A system is a run folder or a file of hypotheses, with a name: NAME=PATH, or the path's
own. Systems with one name are seeds of one, and so are runs whose recipes differ in
nothing but their seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seq2seq.data.preprocessing import load_eval_pairs
from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import evaluate_split
from seq2seq.evaluation.words import read_segment_scores
from seq2seq.recipe import Recipe
from seq2seq.runs.run_folder import RunFolder
from seq2seq.utils.files import read_lines

MOST = 8
"""Systems on one page: as many as there are colours that one can tell apart."""


@dataclass(frozen=True)
class TestSet:
    """What was to be translated.

    Attributes:
        name: What people call it.
        sources: Source lines; empty if nobody gave them.
        references: One or more lists of lines.
        source_language: As the recipe names it; "" if unknown.
        target_language: Decides on BLEU's tokenizer.
    """

    name: str
    sources: list[str]
    references: list[list[str]]
    source_language: str
    target_language: str


@dataclass(frozen=True)
class System:
    """Somebody's translations of the test set.

    Attributes:
        name: Unique on the page.
        group: Systems with one group are seeds of one.
        path: Where it came from.
        hypotheses: A line for each of the test set.
        run: The run folder; None for a file.
        recipe: The run's; None for a file.
        outside: Scores from files, metric by metric, a number for each segment.
    """

    name: str
    group: str
    path: Path
    hypotheses: list[str]
    run: RunFolder | None = None
    recipe: Recipe | None = None
    outside: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportRequest:
    """What the command line says.

    Attributes:
        systems: PATH or NAME=PATH each.
        split: Which split of the runs' data.
        data_path: Where the data is now, if it has moved.
        source: A file of source lines, where no run tells.
        references: Files of reference lines; a run's own if empty.
        language: The target language, where no run tells.
        segment_scores: METRIC=FILE each; for one metric as many as systems, in order.
        samples: Resampled corpora for intervals and the paired bootstrap.
        trials: Swaps for approximate randomization.
    """

    systems: Sequence[str]
    split: str = "test"
    data_path: str | None = None
    source: Path | None = None
    references: Sequence[Path] = ()
    language: str | None = None
    segment_scores: Sequence[str] = ()
    samples: int = 1000
    trials: int = 10_000


def read_systems(asked: ReportRequest) -> tuple[TestSet, list[System]]:
    """Read all that the command line names; a run translates what it has not yet.

    Raises:
        InputError: If something is missing, or two things do not belong together.
    """
    if not 1 <= len(asked.systems) <= MOST:
        raise UserError(
            f"{len(asked.systems)} systems came; a page takes 1 to {MOST} of them."
        )
    named = [parse_system_arg(text) for text in asked.systems]
    folders = {path: RunFolder(path) for _, path in named if path.is_dir()}
    recipes = {path: folder.read_recipe() for path, folder in folders.items()}
    test_set = _test_set(asked, recipes)
    systems: list[System] = []
    for (name, path), label in zip(named, _labels(named, recipes), strict=True):
        recipe = recipes.get(path)
        if recipe is None:
            hypotheses = list(read_lines(path))
        else:
            hypotheses = _translations(asked, path, test_set)
        if len(hypotheses) != len(test_set.references[0]):
            raise UserError(
                f"{path} has {len(hypotheses):,} hypotheses, but {test_set.name} has "
                f"{len(test_set.references[0]):,} references; line i of one must "
                "belong to line i of the other."
            )
        group = name or _group(path, recipe, systems) or label
        run = folders.get(path)
        systems.append(System(label, group, path, hypotheses, run, recipe))
    _add_scores(asked, systems)
    return test_set, systems


def parse_system_arg(text: str) -> tuple[str, Path]:
    """Read PATH or NAME=PATH, whichever exists; "" where no name came.

    Raises:
        InputError: If neither does.
    """
    if Path(text).exists():
        return "", Path(text)
    for place in (i for i, char in enumerate(text) if char == "="):
        path = Path(text[place + 1 :])
        if text[:place].strip() and text[place + 1 :] and path.exists():
            return text[:place].strip(), path
    raise UserError(
        f"{text} is missing. Name a run folder or a file of hypotheses, as PATH or as "
        "NAME=PATH."
    )


def _labels(
    named: Sequence[tuple[str, Path]], recipes: dict[Path, Recipe]
) -> list[str]:
    """Give every system a name of its own, short where that is enough."""
    plain = [name or path.resolve().name for name, path in named]
    labels: list[str] = []
    for label, (name, path) in zip(plain, named, strict=True):
        one = label
        if plain.count(label) > 1:
            recipe = recipes.get(path)
            one = label if name else str(path)
            if name and recipe is not None:
                one = f"{label} (seed {recipe.seed})"
        number = 2
        unique = one
        while unique in labels:
            unique, number = f"{one} #{number}", number + 1
        labels.append(unique)
    return labels


def _group(path: Path, recipe: Recipe | None, before: list[System]) -> str | None:
    """Find an earlier run that differs in its seed alone."""
    if recipe is None:
        return None
    alike = {"seed": 0, "description": ""}
    mine = recipe.model_copy(update=alike)
    for system in before:
        other = system.recipe
        if other is None or other.seed == recipe.seed:
            continue
        if other.model_copy(update=alike) == mine:
            return system.group
    return None


def _test_set(asked: ReportRequest, recipes: dict[Path, Recipe]) -> TestSet:
    """Find sources and references, in files or in the data of the runs."""
    given = [list(read_lines(path)) for path in asked.references]
    sources = [] if asked.source is None else list(read_lines(asked.source))
    name = ", ".join(path.name for path in asked.references)
    first = next(iter(recipes.values()), None)
    if first is None:
        if not given:
            raise UserError(
                "hypothesis files need --reference F, and --language of the target."
            )
        if asked.language is None:
            raise UserError(
                "hypothesis files need --language, such as --language de: BLEU's "
                "tokenizer goes by it."
            )
    if not given or (first is not None and not sources):
        pairs = None
        for path, recipe in recipes.items():
            data = recipe.data
            if asked.data_path is not None:
                data = data.model_copy(update={"path": asked.data_path})
            split = data.splits.model_dump().get(asked.split, asked.split)
            found = load_eval_pairs(data, split)
            if pairs is None:
                pairs, owner, name = found, path, name or f"{data.path} {split}"
            elif found != pairs:
                raise UserError(
                    f"{path} and {owner} have other pairs in their split "
                    f"{asked.split}; only runs on one test set can be compared."
                )
        assert pairs is not None
        sources = [pair.source for pair in pairs]
        given = given or [[pair.target for pair in pairs]]
    for lines in [sources, *given]:
        if lines and len(lines) != len(given[0]):
            raise UserError(
                f"{len(lines):,} lines came for {len(given[0]):,} references; line i "
                "of all files must belong together."
            )
    source_language = "" if first is None else first.data.source
    language = asked.language or (first.data.target if first else "")
    return TestSet(name, sources, given, source_language, language)


def _translations(asked: ReportRequest, path: Path, test_set: TestSet) -> list[str]:
    """Take the translations of a run, made now where there are none."""
    if asked.source is not None:
        from seq2seq.translate import Translator

        return Translator.load(path)(test_set.sources)
    kept = RunFolder(path).evaluation(asked.split) / "hypotheses.txt"
    if kept.is_file():
        return list(read_lines(kept))
    return evaluate_split(path, asked.split, data_path=asked.data_path).hypotheses


def _add_scores(asked: ReportRequest, systems: list[System]) -> None:
    """Read scores that others computed."""
    files: dict[str, list[Path]] = {}
    for text in asked.segment_scores:
        metric, found, rest = text.partition("=")
        if not found or not metric.strip() or not rest:
            raise UserError(f"--segment-scores {text!r} is not METRIC=FILE; give both.")
        files.setdefault(metric.strip(), []).append(Path(rest))
    for metric, paths in files.items():
        if len(paths) != len(systems):
            raise UserError(
                f"{len(paths)} files of {metric} scores came for {len(systems)} "
                "systems; give --segment-scores once for each system, in their order."
            )
        for path, system in zip(paths, systems, strict=True):
            numbers = read_segment_scores(path, list(read_lines(path)))
            if len(numbers) != len(system.hypotheses):
                raise UserError(
                    f"{path} has {len(numbers):,} scores for "
                    f"{len(system.hypotheses):,} segments; each needs one."
                )
            system.outside[metric] = numbers
