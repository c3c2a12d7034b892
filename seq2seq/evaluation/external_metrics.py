"""Metrics of other programs, such as COMET in an environment of its own.

`--metric NAME=COMMAND`: the command is split as a shell would, never run through one,
and its placeholders are replaced by files with a line for each segment. It writes a
number a line into {scores}, or prints it. Lines that begin with # are no scores; the
first one is the metric's version.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq2seq.errors import UserError
from seq2seq.evaluation.training_history import public_name
from seq2seq.evaluation.words import read_segment_scores
from seq2seq.metrics.sacrebleu_scores import MetricResult, Score
from seq2seq.metrics.significance import (
    N_BOOTSTRAP,
    bootstrap_interval,
    mean_from_stats,
)
from seq2seq.utils.files import read_lines, write_lines
from seq2seq.utils.text import with_noun

PLACEHOLDERS = ("source", "hypothesis", "reference", "scores")
TIMEOUT = 3600.0
"""Seconds that a command may take unless an option says otherwise."""
_SHOWN = 300  # Characters of a failed command's output.


@dataclass(frozen=True)
class ExternalMetric:
    """A metric that a command computes.

    Attributes:
        name: Its name.
        arguments: The command, with placeholders such as {hypothesis}.
        timeout: Seconds that it may take.
    """

    name: str
    arguments: tuple[str, ...]
    timeout: float = TIMEOUT

    def uses(self, placeholder: str) -> bool:
        """Return whether the command has a placeholder."""
        return any(f"{{{placeholder}}}" in text for text in self.arguments)


def parse_metrics(
    texts: Sequence[str], *, timeout: float = TIMEOUT
) -> list[ExternalMetric]:
    """Parse --metric options.

    Args:
        texts: NAME=COMMAND each.
        timeout: Seconds that each command may take.

    Raises:
        UserError: If one is malformed, or a name comes twice.
    """
    metrics: list[ExternalMetric] = []
    taken = ["bleu", "chrf", "ter"]
    for text in texts:
        name, _, command = text.partition("=")
        name = name.strip()
        try:
            arguments = tuple(shlex.split(command))
        except ValueError as error:
            raise UserError(f"--metric {text}: {error}; check its quotes.") from error
        metric = ExternalMetric(name, arguments, timeout)
        if not name or not arguments:
            raise UserError(
                f"--metric {text!r} is not NAME=COMMAND, such as --metric "
                "'COMET=/opt/comet/bin/python comet.py {source} {hypothesis} "
                "{reference} {scores}'."
            )
        if not metric.uses("hypothesis"):
            raise UserError(
                f"--metric {name}: the command has no {{hypothesis}}, the file of "
                "translations to score."
            )
        if name.lower() in taken:
            raise UserError(f"--metric {name}: there is a metric of that name already.")
        taken.append(name.lower())
        metrics.append(metric)
    return metrics


def run_metric(
    metric: ExternalMetric,
    hypotheses: Sequence[str],
    *,
    sources: Sequence[str],
    references: Sequence[str],
    n_bootstrap: int = N_BOOTSTRAP,
) -> MetricResult:
    """Score translations by a command; the corpus has the mean of its segments.

    Args:
        metric: The metric.
        hypotheses: Translations.
        sources: Source lines, as many; empty if they are unknown.
        references: Reference lines, as many.
        n_bootstrap: Resamples of the mean's interval.

    Raises:
        UserError: If the command cannot be started, fails, takes too long or does not
            write a number for each segment.
    """
    if metric.uses("source") and not sources:
        raise UserError(
            f"--metric {metric.name} needs {{source}}, and no run has it: give "
            "--source F."
        )
    with tempfile.TemporaryDirectory(prefix="seq2seq-metric-") as name:
        folder = Path(name)
        lines = {"source": sources, "hypothesis": hypotheses, "reference": references}
        for placeholder, values in lines.items():
            write_lines(folder / f"{placeholder}.txt", values)
        command = []
        for argument in metric.arguments:
            for placeholder in PLACEHOLDERS:
                path = folder / f"{placeholder}.txt"
                argument = argument.replace(f"{{{placeholder}}}", str(path))  # noqa: PLW2901
            command.append(argument)
        printed = folder / "printed.txt"
        _run(metric, command, printed, folder / "errors.txt")
        output = folder / "scores.txt" if metric.uses("scores") else printed
        if not output.is_file():
            raise UserError(f"--metric {metric.name}: the command wrote no {{scores}}.")
        written = [line for line in read_lines(output) if line.strip()]
    notes = [line for line in written if line.startswith("#")]
    numbers = [line for line in written if not line.startswith("#")]
    if len(numbers) != len(hypotheses):
        raise UserError(
            f"--metric {metric.name}: the command wrote "
            f"{with_noun(len(numbers), 'score')} for "
            f"{with_noun(len(hypotheses), 'segment')}; it must write one a line."
        )
    scores = read_segment_scores(Path(f"--metric {metric.name}, score"), numbers)
    command_line = shlex.join(map(public_name, metric.arguments))
    version = notes[0].lstrip("# ").strip() if notes else "no version line"
    signature = f"mean of the segments' scores by: {command_line} | {version}"
    return mean_result(scores, signature, n_bootstrap=n_bootstrap)


def _run(
    metric: ExternalMetric, command: Sequence[str], printed: Path, errors: Path
) -> None:
    """Run a command, and whatever it starts, at most as long as it may take."""
    try:
        with printed.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
    except OSError as error:
        raise UserError(
            f"--metric {metric.name}: {command[0]} cannot be run: {error.strerror}."
        ) from error
    try:
        status = process.wait(timeout=metric.timeout)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"--metric {metric.name}: no result after {metric.timeout:g} seconds; "
            "--metric-timeout gives it more" + _end_of(errors)
        ) from None
    finally:
        if process.poll() is None:  # Late, or this program was interrupted.
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()  # Without process groups, on Windows, it alone.
            process.wait()
    if status:
        reason = f"status {status}" if status > 0 else f"signal {-status}"
        raise UserError(
            f"--metric {metric.name}: the command ended with {reason}"
            + (_end_of(errors) or _end_of(printed))
        )


def _end_of(path: Path) -> str:
    """Return the end of what a command wrote, on one line."""
    text = " ".join(path.read_bytes()[-4000:].decode("utf-8", "replace").split())
    return f": {'…' if len(text) > _SHOWN else ''}{text[-_SHOWN:]}" if text else "."


def mean_result(
    segments: Sequence[float], signature: str, *, n_bootstrap: int = N_BOOTSTRAP
) -> MetricResult:
    """Make the mean of segments' scores a metric, with its interval.

    Args:
        segments: A score for each segment.
        signature: Where they come from.
        n_bootstrap: Number of resamples.
    """
    scores = np.array(segments, dtype=np.float64)
    statistics = np.stack([scores, np.ones_like(scores)], axis=1)
    interval = bootstrap_interval(statistics, mean_from_stats, n_bootstrap=n_bootstrap)
    score = Score(float(scores.mean()), signature, interval)
    return MetricResult(score, scores, statistics, mean_from_stats)
