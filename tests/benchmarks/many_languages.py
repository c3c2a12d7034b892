"""What several languages and a parent bring: the figures of docs/experiments.md.

python tests/benchmarks/many_languages.py children data/multi30k runs/languages \
    --parent runs/multi30k-en-de-attention
python tests/benchmarks/many_languages.py languages data/multi30k runs/languages

One process on one thread trains one run after another, and goes on where it was ended.
Validation chooses among the children; each chosen run is scored on the test split once.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

TEST = "test_2016_flickr"
SMALL = [
    "data.source=en",
    "data.target=fr",
    f"data.splits={{valid: val, test: {TEST}}}",
    "data.max_pairs=1000",
    "train.validate_every=100",
    "train.checkpoint_every=100",
]
NARROW = [
    "tokenizer.vocab_size=3000",
    "model.embedding_size=160",
    "model.encoder.hidden_size=160",
    "model.decoder.hidden_size=256",
    "train.max_epochs=null",
    "train.batch_tokens=1024",
    "train.validate_every=400",
    "train.checkpoint_every=100",
    "train.precision=32-true",
]


def children(data: Path, parent: Path) -> dict[str, list[str]]:
    """Return the recipe and the overrides of each run, by its name."""
    child = ["child", f"data.path={data}", f"train.init_from={parent}"]
    child += ["train.max_epochs=null"]
    return {
        "scratch": ["small-data", f"data.path={data}", *SMALL],
        "child": [*child, "train.max_steps=700"],
        "child-vocab": [
            *child,
            "train.max_steps=1000",
            "train.update_vocab=true",
            "tokenizer.vocab_size=2000",
        ],
    }


def languages(ten: Path) -> dict[str, list[str]]:
    """Return the recipe and the overrides of each run, by its name."""
    mix = f"data.mix=[{{path: {ten}, target: fr}}]"
    one = ["multi30k-en-de-attention", f"data.path={ten}", *NARROW]
    return {
        "en-de": [*one, "train.max_steps=1600"],
        "en-fr": [*one, "train.max_steps=1600", "data.target=fr"],
        "en-de-fr": [*one, "train.max_steps=2400", mix],
    }


def first_pairs(data: Path, folder: Path, count: int) -> Path:
    """Write a corpus of the first pairs, with the held-out splits as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in ("en", "de", "fr"):
        with gzip.open(data / f"train.{language}.gz", "rb") as file:
            lines = [next(file) for _ in range(count)]
        (folder / f"train.{language}").write_bytes(b"".join(lines))
        for split in ("val", TEST):
            name = f"{split}.{language}.gz"
            shutil.copyfile(data / name, folder / name)
    return folder


def call(*arguments: str) -> str:
    """Run a command of seq2seq on one thread; return its standard output."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "seq2seq", *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def train(run: Path, arguments: list[str], times: Path) -> float:
    """Train a run to its end; return its processor seconds over all calls."""
    seconds = float(times.read_text()) if times.exists() else 0.0
    overrides = [part for text in arguments[1:] for part in ("-o", text)]
    if not (run / "summary.json").is_file():
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        try:
            call("train", arguments[0], *overrides, "--output", str(run))
        finally:
            spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            seconds += spent
            times.write_text(str(seconds))
    return seconds


def scores(run: Path, split: str) -> dict[str, float]:
    """Score a split; return BLEU by language pair."""
    content: dict[str, Any] = json.loads(
        call("evaluate", str(run), "--split", split, "--json")
    )
    pairs = content.get("pairs", {"": content})
    return {pair: round(scored["bleu"]["score"], 2) for pair, scored in pairs.items()}


def main() -> None:
    """Train, validate, test, and print a line of JSON for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=["children", "languages"])
    parser.add_argument("data", type=Path, help="Multi30k, with French.")
    parser.add_argument("output", type=Path, help="Folder of the runs.")
    parser.add_argument("--parent", type=Path, help="Needed by children.")
    options = parser.parse_args()
    if options.question == "children":
        runs = children(options.data, options.parent)
    else:
        ten = options.output / "ten-thousand"
        runs = languages(first_pairs(options.data, ten, 10_000))
    valid: dict[str, float] = {}
    for name, arguments in runs.items():
        run = options.output / name
        seconds = train(run, arguments, options.output / f"{name}.seconds")
        by_pair = scores(run, "valid")
        valid[name] = sum(by_pair.values()) / len(by_pair)
        line = {"run": name, "user_seconds": round(seconds), "valid": by_pair}
        print(json.dumps(line), flush=True)
    tested = list(runs)
    if options.question == "children":
        tested = ["scratch", max(("child", "child-vocab"), key=valid.__getitem__)]
    for name in tested:
        print(json.dumps({"run": name, "test": scores(options.output / name, "test")}))


if __name__ == "__main__":
    main()
