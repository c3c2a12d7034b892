"""The model card of a model folder: README.md with front matter of the Hub.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import yaml

from seq2seq.recipe import BaseRecipe, Recipe
from seq2seq.runs.model_folder import EVAL_RESULTS
from seq2seq.runs.run_folder import RunFolder

TASKS = {
    "translation": "translation",
    "classification": "text-classification",
    "tagging": "token-classification",
    "captioning": "image-to-text",
    "language_model": "text-generation",
}
"""Tasks by the names of the Hub."""
METRICS = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "accuracy": "accuracy",
    "accuracy_unseen": "accuracy of unseen words",
    "macro_f1": "macro F1",
    "word_f1": "F1 of words",
    "rmse": "RMSE",
    "exact": "exact match",
    "perplexity": "perplexity of a token",
    "bits_per_character": "bits per character",
}
"""Scores on a card, by their names in scores.json, which has the main one first."""
HUB_METRICS = {"macro_f1": "f1", "word_f1": "f1", "exact": "exact_match"}
"""Where the Hub calls a metric otherwise."""
EXAMPLES = {
    "translation": "echo 'A sentence.' | seq2seq translate {}",
    "classification": "seq2seq label {} in.txt",
    "tagging": "seq2seq label {} in.txt",
    "captioning": "seq2seq caption {} pictures.npy",
    "language_model": "seq2seq sample {} --lines 5",
}


class SavedScore(NamedTuple):
    """A score that an evaluation saved.

    Attributes:
        split: The split.
        metric: The name in scores.json.
        score: The score.
        interval: Its 95% confidence interval.
        signature: sacreBLEU's, or nothing.
        data: What it was scored on: path, and id and commit of a dataset of the Hub.
    """

    split: str
    metric: str
    score: float
    interval: tuple[float, float]
    signature: str
    data: dict[str, str]

    @property
    def decimals(self) -> int:
        """How many decimals are shown."""
        return 3 if self.metric in ("rmse", "perplexity", "bits_per_character") else 2


def model_card(
    recipe: BaseRecipe,
    folder: RunFolder,
    *,
    name: str,
    parameters: int,
    license_key: str | None,
) -> str:
    """Return the card's text.

    Args:
        recipe: The run's recipe.
        folder: The run, whose evaluations and data fingerprint it reports.
        name: The model's name.
        parameters: Number of the network's weights.
        license_key: As the Hub spells it, such as cc-by-4.0; None: not stated.
    """
    from huggingface_hub import EvalResult, ModelCardData

    data = recipe.model_dump(mode="json")["data"]
    languages = [data[k] for k in ("source", "target", "language") if data.get(k)]
    if isinstance(recipe, Recipe):
        languages = [code for pair in recipe.data.pairs for code in pair]
    languages = list(dict.fromkeys(languages))
    corpus = Path(data["path"]).name
    scores = saved_scores(folder)
    results = [
        EvalResult(
            task_type=TASKS[recipe.task],
            dataset_type=score.data.get("id") or score.data.get("path") or corpus,
            dataset_name=score.data.get("path") or corpus,
            dataset_revision=score.data.get("commit"),
            dataset_split=score.split,
            metric_type=HUB_METRICS.get(score.metric, score.metric),
            metric_name=METRICS[score.metric],
            metric_value=round(score.score, score.decimals),
            metric_config=score.signature or None,
        )
        for score in scores
    ]
    front = ModelCardData(
        language=languages or None,
        license=license_key,
        library_name="seq2seq-recurrent",
        pipeline_tag=TASKS[recipe.task],
        tags=["recurrent", recipe.task],
        model_name=name if results else None,
        eval_results=results or None,
    )
    return f"---\n{front.to_yaml()}\n---\n\n" + "\n".join(
        [
            *_head(recipe, name, parameters),
            *_score_table(scores),
            *_data_section(folder, corpus),
            *_limits(recipe, license_key),
        ]
    )


def with_name(card: str, name: str) -> str:
    """Return a card whose examples load the model by another name."""
    card = re.sub(r"(\| seq2seq translate )\S+", rf"\g<1>{name}", card)
    card = re.sub(
        r"^(seq2seq (?:label|caption|sample) )\S+", rf"\g<1>{name}", card, flags=re.M
    )
    return re.sub(r'(from_pretrained\(")[^"]*', rf"\g<1>{name}", card)


def copied_card(card: str, name: str, license_key: str | None) -> str:
    """Return the card of a model folder for a copy of it: another name and licence."""
    from huggingface_hub import ModelCard

    parsed = ModelCard(with_name(card, name))
    if license_key is not None:
        parsed.data["license"] = license_key
    return str(parsed)


def eval_results(recipe: BaseRecipe, folder: RunFolder) -> dict[str, str]:
    """Return what the Hub shows on pages of data sets: the main score of each.

    Only of evaluations on data sets of the Hub, on the recipe's test split if there is
    one of it.

    Returns:
        YAML by file name.

    Source: https://huggingface.co/docs/hub/eval-results.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    main: dict[str, SavedScore] = {}
    for score in sorted(saved_scores(folder), key=lambda score: score.split != "test"):
        if dataset := score.data.get("id"):
            main.setdefault(dataset, score)
    config = recipe.model_dump()["data"].get("config") or "default"
    files = {}
    for dataset, score in main.items():
        low, high = score.interval
        notes = (
            f"{METRICS[score.metric]} on {score.split}, 95% interval {low:.1f} to "
            f"{high:.1f}, {score.signature}"
        )
        entry = EvalResultEntry(
            dataset_id=dataset,
            task_id=config,
            value=round(score.score, score.decimals),
            dataset_revision=score.data.get("commit"),
            notes=notes.removesuffix(", "),
        )
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)
        name = dataset.replace("/", "--")
        files[f"{EVAL_RESULTS}/{name}.yaml"] = text
    return files


def _head(recipe: BaseRecipe, name: str, parameters: int) -> list[str]:
    lines = [f"# {name}", ""]
    described = recipe.description or f"A recurrent model, task {recipe.task}"
    lines += [f"{described.rstrip('.')}. {parameters:,} weights."]
    example = EXAMPLES[recipe.task].format(name)
    if isinstance(recipe, Recipe):
        pairs = ", ".join(" to ".join(pair) for pair in recipe.data.pairs)
        several = len(recipe.data.targets) > 1
        to = recipe.data.target
        lines += [f"It translates {pairs}, sentence by sentence."]
        example += f" --to {to}" if several else ""
    lines += ["", "```sh", "pip install seq2seq-recurrent", example, "```"]
    if isinstance(recipe, Recipe):
        lines += [
            "",
            "```python",
            "from seq2seq.translate import Translator",
            "",
            f'translate = Translator.from_pretrained("{name}"'
            + (f', to="{to}")' if several else ")"),
            'print(translate(["A sentence."]))',
            "```",
        ]
    return [*lines, ""]


def _score_table(scores: list[SavedScore]) -> list[str]:
    if not scores:
        return ["No split has been scored: `seq2seq evaluate` does it.", ""]
    lines = ["## Scores", "", "| split | metric | score | 95% interval | signature |"]
    lines += ["|---|---|---|---|---|"]
    for score in scores:
        low, high = (f"{end:.{score.decimals - 1}f}" for end in score.interval)
        signature = score.signature.replace("|", "\\|")
        lines.append(
            f"| {score.split} | {METRICS[score.metric]} | "
            f"{score.score:.{score.decimals}f} | {low} to {high} | "
            f"{f'`{signature}`' if signature else ''} |"
        )
    return [*lines, "", "Intervals by bootstrap over the examples.", ""]


def _data_section(folder: RunFolder, corpus: str) -> list[str]:
    lines = ["## Data", ""]
    try:
        train = json.loads(folder.data.read_bytes())["train"]
        count = (
            f"{train['examples']:,} examples of"
            if "examples" in train
            else (f"{train['kept']:,} of the {train['total']:,} pairs of")
        )
        lines.append(
            f"Trained on {count} `{corpus}`, fingerprint `{train['fingerprint']}`."
        )
    except (OSError, ValueError, LookupError, TypeError):
        lines.append(f"Trained on `{corpus}`.")
    return [*lines, ""]


def _limits(recipe: BaseRecipe, license_key: str | None) -> list[str]:
    lines = ["## Limits", ""]
    lines += [
        "It knows the words and the genre of its training data; of other texts it "
        "makes fluent nonsense. Numbers and names may come out wrong."
        if recipe.task in ("translation", "language_model")
        else "It knows what its training data is like, and answers anything else with "
        "the same confidence."
    ]
    if license_key is None:
        lines += ["", "No licence is stated: ask whoever trained it before using it."]
    return [*lines, ""]


def saved_scores(folder: RunFolder) -> list[SavedScore]:
    """Return the scores of a run's evaluations, but for those of ensembles."""
    scores = []
    for path in sorted(folder.path.glob("evaluation/*/scores.json")):
        if path.parent.name.endswith("-ensemble"):
            continue
        try:
            content = json.loads(path.read_bytes())
            entries = content.get("network", content)
            data = {key: str(value) for key, value in content.get("data", {}).items()}
            scores += [
                SavedScore(
                    path.parent.name,
                    metric,
                    float(entries[metric]["score"]),
                    (float(low), float(high)),
                    entries[metric].get("signature", ""),
                    data,
                )
                for metric in entries
                if metric in METRICS
                for low, high in [entries[metric]["interval"]]
            ]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return scores
