"""seq2seq train of a chain: its stages, their comparison, and the winner's test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.cli.train_chain import COMPARISON, ChainRun, Step, chain_steps
from seq2seq.errors import UserError
from seq2seq.recipe.chain import (
    TrainingStage,
    read_chain,
    resolve_trainings,
)
from seq2seq.runs.run_folder import RunFolder
from seq2seq.tuning.run_table import read_object
from seq2seq.utils.console import make_console, print_hint, print_table


def train_chain(
    chain_name: str, overrides: Sequence[str], folder: Path, options: Sequence[str]
) -> None:
    """Run a chain's stages, then compare its trainings and test the best of them.

    The validation split decides, by the BLEU of the recipes' search; the test split is
    scored once, for the training that is best there.

    Args:
        chain_name: The chain.
        overrides: Overrides for all of its trainings.
        folder: The chain's folder.
        options: Further words of every command that trains, such as `--device cpu`.

    Raises:
        UserError: If the chain or a recipe is wrong, or a stage fails.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 or "SLURM_PROCID" in os.environ:
        raise UserError(
            "a chain starts its stages' processes itself: run it once, without "
            "torchrun or srun, with --devices N for several processes."
        )
    chain = read_chain(chain_name)
    trainings = resolve_trainings(chain, chain_name, folder, overrides)
    steps = chain_steps(chain, trainings, folder, options)
    last = list(trainings.values())[-1]
    candidates = [t.name for t in trainings.values() if t.same_languages(last)]
    total = len(steps) + (2 if candidates else 0)
    run = ChainRun(folder)
    for number, step in enumerate(steps, 1):
        run.run(step, f"stage {number} of {total}, {step.name}")
    if not candidates:
        print_hint(f"next: seq2seq evaluate {folder / last.name}")
        return
    paths = [folder / name for name in candidates]
    if len(candidates) > 1:
        output = folder / COMPARISON
        systems = [f"{path.name}={path}" for path in paths]
        words = ["compare", *systems, "--split", "valid", "--output", str(output)]
        purpose = "compare the trainings on the validation split"
    else:
        output = paths[0] / "evaluation" / "valid" / "scores.json"
        words = ["evaluate", str(paths[0]), "--split", "valid"]
        purpose = "score the training on the validation split"
    compared = Step(COMPARISON, purpose, words, output, tuple(candidates))
    run.run(compared, f"stage {total - 1} of {total}, {COMPARISON}")
    scores = {path.name: _scores(path, "valid") for path in paths}
    best = max(candidates, key=lambda name: scores[name]["bleu"]["score"])
    output = folder / best / "evaluation" / "test" / "scores.json"
    words = ["evaluate", str(folder / best), "--split", "test"]
    purpose = f"score {best}, the best on the validation split, on the test split"
    run.run(Step("test", purpose, words, output, (best,)), f"stage {total} of {total}")
    _print_stages(run, candidates, trainings, scores, best)
    if len(candidates) > 1:
        print_hint(f"the trainings side by side: {folder / COMPARISON / 'report.html'}")
    print_hint(f"next: seq2seq translate {folder / best}")


def _print_stages(
    run: ChainRun,
    candidates: Sequence[str],
    trainings: dict[str, TrainingStage],
    scores: dict[str, Any],
    best: str,
) -> None:
    rows = []
    for name in candidates:
        bleu = scores[name]["bleu"]
        low, high = bleu["interval"]
        start = _start(trainings[name])
        gain = p_value = ""
        if start in candidates:
            test = _paired_test(run.folder / start, run.folder / name)
            gain, p_value = f"{test[0]:+.2f}", f"{test[1]:.3f}"
        score = f"{bleu['score']:.2f} ({low:.1f} to {high:.1f})"
        minutes = f"{run.minutes(name):.1f}"
        rows.append((name, minutes, score, gain, p_value, "*" if name == best else ""))
    columns = ("stage", "minutes", "valid BLEU", "gain", "p", "best")
    title = "trainings; gain over the one that it starts from, with its p-value"
    console = make_console()
    print_table(console, title, columns, rows, numeric=columns[1:5])
    tested = _scores(run.folder / best, "test")["bleu"]
    low, high = tested["interval"]
    print(f"test BLEU of {best}: {tested['score']:.2f} ({low:.1f} to {high:.1f})")


def _start(training: TrainingStage) -> str:
    init_from = training.recipe.train.init_from
    return Path(init_from).name if init_from else ""


def _scores(run: Path, split: str) -> dict[str, Any]:
    path = RunFolder(run).evaluation(split) / "scores.json"
    return read_object(path)


def _paired_test(baseline: Path, system: Path) -> tuple[float, float]:
    """Return the difference of BLEU on the validation split and its p-value.

    Approximate randomization (Riezler and Maxwell 2005), as in `seq2seq compare`.
    """
    from seq2seq.evaluation.evaluate import load_split
    from seq2seq.metrics.sacrebleu_scores import score_segments
    from seq2seq.metrics.significance import paired_test
    from seq2seq.utils.files import read_lines

    language = RunFolder(system).read_recipe().data.target
    _, references = load_split(system, "valid")
    results = [
        score_segments(
            list(read_lines(RunFolder(run).evaluation("valid") / "hypotheses.txt")),
            [references],
            language=language,
        ).bleu
        for run in (baseline, system)
    ]
    before, after = results
    test = paired_test(before.statistics, after.statistics, after.score_from_stats)
    return test.difference, test.randomization_p
