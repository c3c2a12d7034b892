"""The report of runs of other tasks than translation: its values, and their JSON."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.evaluation.caption_pictures import CaptionedPicture, caption_examples
from seq2seq.evaluation.evaluate_language_model import evaluate_language_model
from seq2seq.evaluation.evaluate_task import TaskEvaluation, evaluate_task
from seq2seq.evaluation.label_errors import LabelErrors, find_label_errors
from seq2seq.evaluation.report_files import check_report_folder, write_texts
from seq2seq.evaluation.schema import report_json
from seq2seq.evaluation.systems import ReportRequest, parse_system_arg
from seq2seq.evaluation.text_samples import TextAnalysis, analyse_text
from seq2seq.evaluation.training_history import (
    TrainingHistory,
    public_name,
    read_training_history,
)
from seq2seq.metrics.significance import Interval
from seq2seq.recipe import BaseRecipe, LanguageModelRecipe
from seq2seq.runs.run_folder import RunFolder
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.captioning import Captioning
from seq2seq.tasks.language_model import LanguageModel
from seq2seq.tasks.language_model_data import LanguageModelData

FORMAT = 1
_LANGUAGE_MODEL_SCORES = {
    "nats_per_character": ("nats per character", 4),
    "bits_per_character": ("bits per character", 4),
    "nats_per_token": ("nats per token", 4),
    "perplexity": ("perplexity per token", 3),
}
LOWER_IS_BETTER = ("rmse", *_LANGUAGE_MODEL_SCORES)


@dataclass(frozen=True)
class TaskScore:
    """A score of a split.

    Attributes:
        score: The score; shares are in percent.
        interval: Its 95% confidence interval; None if it has none.
        label: Its name for people.
        decimals: Decimals that are shown.
    """

    score: float
    interval: Interval | None
    label: str
    decimals: int


@dataclass(frozen=True)
class TaskSystem:
    """A network, or what counting achieves.

    Attributes:
        name: Its name.
        scores: By name, the main one first.
        p_value: Of a paired test of the main score against the network's, by
            approximate randomization; None for the network, or without a test.
        training_history: None of a baseline.
    """

    name: str
    scores: dict[str, TaskScore]
    p_value: float | None
    training_history: TrainingHistory | None


@dataclass(frozen=True)
class TaskReport:
    """A whole report.

    Attributes:
        format: Rises when the meaning of a field changes.
        date: The only difference between two reports of the same input.
        task: classification, tagging, captioning or language_model.
        target: What is predicted: token, label or number.
        data: Name of the data and split.
        fingerprint: First 12 hexadecimal digits of the SHA-256 of the split.
        example: What the data consists of, in the singular.
        examples: How many there are.
        loss: Mean loss of a target; in nats, but of numbers.
        systems: The network, then the baselines.
        label_errors: Of a classification or a tagging.
        pictures: Of a captioning, wrong captions first.
        text: Of a language model.
    """

    format: int
    date: str
    task: str
    target: str
    data: str
    fingerprint: str
    example: str
    examples: int
    loss: float
    systems: list[TaskSystem]
    label_errors: LabelErrors | None = None
    pictures: list[CaptionedPicture] = field(default_factory=list)
    text: TextAnalysis | None = None

    @property
    def title(self) -> str:
        """The name of the run."""
        return self.systems[0].name


def write_task_report(
    request: ReportRequest,
    output: Path,
    *,
    overwrite: bool = False,
    log: Callable[[str], None],
    date: str | None = None,
) -> TaskReport:
    """Evaluate a run of another task than translation, and write a report of it.

    Args:
        request: One run, and what `seq2seq evaluate` needs to know.
        output: Folder to write to; created if missing.
        overwrite: Whether to overwrite a report in that folder.
        log: Called with a line of text before each slow step.
        date: Date to print; today's if None.

    Raises:
        UserError: If something cannot be read or written, or is for translation alone;
            no report is written then.
    """
    from seq2seq.evaluation.task_page import render_task_html, render_task_markdown

    _check_request(request)
    check_report_folder(output, [], replace=overwrite)
    name, path = parse_system_arg(request.systems[0])
    folder = RunFolder(path)
    recipe = folder.read_recipe()
    name = name or path.resolve().name
    log(f"evaluating {name}")
    history = read_training_history(folder, recipe)
    date = date or time.strftime("%Y-%m-%d")
    if isinstance(recipe, LanguageModelRecipe):
        report = _language_model_report(request, path, name, history, date)
    else:
        evaluation = evaluate_task(
            path, request.split, data_path=request.data_path, device=request.device
        )
        log("analysing its errors")
        report = _example_report(request, evaluation, name, history, date)
    log("drawing")
    texts = report_json(report), render_task_markdown(report), render_task_html(report)
    write_texts(output, texts)
    return report


def _check_request(request: ReportRequest) -> None:
    if len(request.systems) > 1:
        tasks = [_task_of(parse_system_arg(system)[1]) for system in request.systems]
        raise UserError(
            f"{len(tasks)} systems came ({', '.join(tasks)}), and only translations "
            "share a page. Write one each: "
            f"seq2seq report {parse_system_arg(request.systems[0])[1]}"
        )
    default = ReportRequest(request.systems)
    options = {
        "--source": request.source != default.source,
        "--reference": bool(request.references),
        "--language": request.language is not None,
        "--segment-scores": bool(request.segment_scores),
        "--samples": request.n_bootstrap != default.n_bootstrap,
    }
    given = [option for option, is_given in options.items() if is_given]
    if given:
        raise UserError(
            f"{given[0]} is for translations, and {request.systems[0]} is a run of "
            "another task. Leave it out."
        )


def _example_report(
    request: ReportRequest,
    evaluation: TaskEvaluation,
    name: str,
    history: TrainingHistory,
    date: str,
) -> TaskReport:
    task = evaluation.task
    systems = []
    for system in evaluation.systems:
        scores = {
            key: TaskScore(
                score.value,
                None
                if score.low is None or score.high is None
                else Interval(score.low, score.high),
                score.label,
                score.decimals,
            )
            for key, score in (system.scores | evaluation.details[system.name]).items()
        }
        systems.append(TaskSystem(system.name, scores, system.p_value, None))
    captioning = isinstance(task, Captioning)
    target = "token" if captioning else "label"
    if task.num_classes is None:
        target = "number"
    return TaskReport(
        format=FORMAT,
        date=date,
        task=task.recipe.task,
        target=target,
        data=_data_name(task.recipe, request),
        fingerprint=evaluation.examples.fingerprint()[:12],
        example=task.example,
        examples=len(evaluation.references),
        loss=evaluation.loss,
        systems=_named(systems, name, history),
        label_errors=None if captioning else find_label_errors(evaluation),
        pictures=caption_examples(evaluation) if captioning else [],
    )


def _task_of(path: Path) -> str:
    return RunFolder(path).read_recipe().task if path.is_dir() else f"file {path}"


def _named(
    systems: list[TaskSystem], name: str, history: TrainingHistory
) -> list[TaskSystem]:
    """Give the first system, the network, the run's name and history."""
    first, *others = systems
    return [replace(first, name=name, training_history=history), *others]


def _language_model_report(
    request: ReportRequest,
    path: Path,
    name: str,
    history: TrainingHistory,
    date: str,
) -> TaskReport:
    evaluated = evaluate_language_model(
        path, request.split, data_path=request.data_path, device=request.device
    )
    run = TaskRun.open(path)
    task = run.task
    assert isinstance(task, LanguageModel)
    recipe = task.recipe.with_data_path(request.data_path)
    data = LanguageModelData(recipe, task.vocabularies)
    splits = [recipe.data.splits.name_of(split) for split in request.split.split("+")]
    lines = [line for split in splits for line in data.lines_of(split)]
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode())
    systems = []
    for system in evaluated:
        scores = {}
        for key, (label, decimals) in _LANGUAGE_MODEL_SCORES.items():
            estimate = getattr(system.scores, key)
            scores[key] = TaskScore(estimate.score, estimate.interval, label, decimals)
        systems.append(TaskSystem(system.name, scores, system.p_value, None))
    return TaskReport(
        format=FORMAT,
        date=date,
        task=task.recipe.task,
        target=task.example,
        data=_data_name(recipe, request),
        fingerprint=digest.hexdigest()[:12],
        example="character",
        examples=evaluated[0].scores.characters,
        loss=evaluated[0].scores.nats_per_token.score,
        systems=_named(systems, name, history),
        text=analyse_text(task, run.network().eval(), evaluated, lines),
    )


def _data_name(recipe: BaseRecipe, request: ReportRequest) -> str:
    path = request.data_path or recipe.data.path
    splits = map(recipe.data.splits.name_of, request.split.split("+"))
    return f"{public_name(path)} {' and '.join(splits)}"
