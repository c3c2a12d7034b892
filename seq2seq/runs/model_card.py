"""The model card of a model folder: README.md with front matter of the Hub.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from seq2seq.recipe import BaseRecipe, Recipe
from seq2seq.runs.run_folder import RunFolder

TASKS = {
    "translation": "translation",
    "classification": "text-classification",
    "tagging": "token-classification",
    "captioning": "image-to-text",
    "language_model": "text-generation",
}
"""Tasks by the names of the Hub."""
METRICS = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}


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
    scores = _scores(folder)
    results = [
        EvalResult(
            task_type=TASKS[recipe.task],
            dataset_type=corpus,
            dataset_name=corpus,
            dataset_split=split,
            metric_type=metric,
            metric_name=METRICS[metric],
            metric_value=round(entry["score"], 2),
            metric_config=entry.get("signature"),
        )
        for split, metric, entry in scores
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
            *_limits(license_key),
        ]
    )


def with_name(card: str, name: str) -> str:
    """Return a card whose examples load the model by another name."""
    card = re.sub(r"(seq2seq translate )\S+", rf"\g<1>{name}", card)
    return re.sub(r'(from_pretrained\(")[^"]*', rf"\g<1>{name}", card)


def _head(recipe: BaseRecipe, name: str, parameters: int) -> list[str]:
    lines = [f"# {name}", ""]
    described = recipe.description or f"A recurrent model, task {recipe.task}"
    lines += [f"{described.rstrip('.')}. {parameters:,} weights."]
    if isinstance(recipe, Recipe):
        pairs = ", ".join(" to ".join(pair) for pair in recipe.data.pairs)
        several = len(recipe.data.targets) > 1
        to = recipe.data.target
        lines += [
            f"It translates {pairs}, sentence by sentence.",
            "",
            "```sh",
            "pip install seq2seq-recurrent",
            f"echo 'A sentence.' | seq2seq translate {name}"
            + (f" --to {to}" if several else ""),
            "```",
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


def _score_table(scores: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    if not scores:
        return ["No split has been scored: `seq2seq evaluate` does it.", ""]
    lines = ["## Scores", "", "| split | metric | score | 95% interval | signature |"]
    lines += ["|---|---|---|---|---|"]
    for split, metric, entry in scores:
        low, high = entry["interval"]
        signature = entry["signature"].replace("|", "\\|")
        lines.append(
            f"| {split} | {METRICS[metric]} | {entry['score']:.2f} | {low:.1f} to "
            f"{high:.1f} | `{signature}` |"
        )
    return [*lines, "", "Intervals by bootstrap over the sentences, by sacreBLEU.", ""]


def _data_section(folder: RunFolder, corpus: str) -> list[str]:
    lines = ["## Data", ""]
    try:
        train = json.loads(folder.data.read_bytes())["train"]
        lines.append(
            f"Trained on {train['kept']:,} of the {train['total']:,} pairs of "
            f"`{corpus}`, fingerprint `{train['fingerprint']}`."
        )
    except (OSError, ValueError, LookupError, TypeError):
        lines.append(f"Trained on `{corpus}`.")
    return [*lines, ""]


def _limits(license_key: str | None) -> list[str]:
    lines = ["## Limits", ""]
    lines += [
        "It knows the words and the genre of its training data; of other texts it "
        "makes fluent nonsense. Numbers and names may come out wrong."
    ]
    if license_key is None:
        lines += ["", "No licence is stated: ask whoever trained it before using it."]
    return [*lines, ""]


def _scores(folder: RunFolder) -> list[tuple[str, str, dict[str, Any]]]:
    """Return split, metric and score of a translation's evaluations."""
    rows_of_all: list[tuple[str, str, dict[str, Any]]] = []
    for path in sorted(folder.path.glob("evaluation/*/scores.json")):
        try:
            content = json.loads(path.read_bytes())
            rows = [
                (path.parent.name, metric, content[metric])
                for metric in METRICS
                if metric in content and len(content[metric]["interval"]) == 2
            ]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        rows_of_all += rows
    return rows_of_all
