"""Answer a split with a run of any task, and score it beside counting baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq.metrics.significance import compare_estimates
from seq2seq.runs.run_folder import write_json
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks import open_data
from seq2seq.tasks.data import ExampleData, Examples
from seq2seq.tasks.task import Score, Task
from seq2seq.types import Batch
from seq2seq.utils.devices import resolve_devices
from seq2seq.utils.files import write_lines


@dataclass(frozen=True)
class SystemScores:
    """A system's scores on a split.

    Attributes:
        name: The system.
        scores: By name, the main one first.
        p_value: Of a paired test of the main score against the network's; None for the
            network, or if the score has no such test.
    """

    name: str
    scores: dict[str, Score]
    p_value: float | None = None


@dataclass(frozen=True)
class TaskEvaluation:
    """Answers to a split, and their scores.

    Attributes:
        task: The run's task.
        loss: Mean loss in nats a target, with given targets.
        systems: The network and the baselines.
        details: Scores that need the sources, by system.
        predictions: The network's answers.
        references: The true answers.
        network: The network, in evaluation mode.
        examples: The split.
    """

    task: Task
    loss: float
    systems: list[SystemScores]
    details: dict[str, dict[str, Score]]
    predictions: list[str]
    references: Sequence[str]
    network: Any
    examples: Examples

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values: the network's, then the baselines'."""
        network, *others = self.systems
        return {
            "task": self.task.recipe.task,
            "examples": len(self.references),
            "loss": self.loss,
            **self._plain(network),
            "baselines": {
                system.name: {**self._plain(system), "p_value": system.p_value}
                for system in others
            },
        }

    def _plain(self, system: SystemScores) -> dict[str, Any]:
        scores = system.scores | self.details.get(system.name, {})
        return {
            name: {"score": score.value, "interval": [score.low, score.high]}
            for name, score in scores.items()
        }


@torch.inference_mode()
def evaluate_task(
    path: Path, split: str, *, data_path: str | None = None, device: str = "auto"
) -> TaskEvaluation:
    """Answer a split of a run's data, score it, save both in the run folder.

    Args:
        path: The run folder.
        split: train, valid or test as the recipe names them, or any split of the data.
        data_path: Override of data.path, if the data has moved.
        device: Where to compute: cpu, cuda, cuda:1 or auto.

    Raises:
        UserError: If run, split or device cannot be used.
    """
    run = TaskRun.open(path)
    task = run.task
    data = open_data(run.recipe.with_data_path(data_path), task.vocabularies)
    assert isinstance(data, ExampleData)  # Translation and language models have others.
    loader = data.split_loader(split)
    references = loader.references or []
    (name,) = resolve_devices(device).names
    network = run.network().to(name).eval()
    answers: dict[int, str] = {}
    nats, num_tokens = 0.0, 0
    for batch in loader:
        predictions, nll = _answer(task, network, batch.to(torch.device(name)))
        answers.update(zip(batch.indices.tolist(), predictions, strict=True))
        nats += nll
        num_tokens += int(batch.count_targets())
    predictions = [answers[index] for index in range(len(references))]
    loss = nats / num_tokens
    systems = [SystemScores("network", task.scores(predictions, references))]
    details = {"network": data.details(split, predictions)}
    for baseline, lines in data.baselines(split).items():
        scores = task.scores(lines, references)
        p_value = _p_value(scores, systems[0].scores)
        systems.append(SystemScores(baseline, scores, p_value))
        details[baseline] = data.details(split, lines)
    examples = data.split(run.recipe.data.splits.name_of(split))
    evaluation = TaskEvaluation(
        task, loss, systems, details, predictions, references, network, examples
    )
    if run.folder.is_shared:
        return evaluation
    folder = run.folder.evaluation(split)
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "hypotheses.txt", predictions)
    name = Path(run.recipe.with_data_path(data_path).data.path).name
    scores = evaluation.to_json() | {"data": {"path": name}}
    write_json(folder / "scores.json", scores)
    return evaluation


def _answer(task: Task, network: Any, batch: Batch) -> tuple[list[str], float]:
    output, _ = task.loss(network, batch, None)
    return task.predict(network, batch), float(output.nll)


def _p_value(baseline: dict[str, Score], network: dict[str, Score]) -> float | None:
    """Test the first score in both by approximate randomization."""
    first = next(iter(network))
    pair = baseline[first].estimate, network[first].estimate
    if pair[0] is None or pair[1] is None:
        return None
    return compare_estimates(pair[0], pair[1]).randomization_p
