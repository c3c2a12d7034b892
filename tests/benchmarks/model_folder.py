"""What a model folder costs beside its run: loading, size, and the same translations.

    python tests/benchmarks/model_folder.py RUN [--rounds 15]

The run is copied, exported, the export moved, and the copy of the run deleted before
the folder translates. Loading is measured in processor seconds, both turn by turn, each
in a fresh process that has imported everything and loaded another model before.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from huggingface_hub import ModelCard
from safetensors.torch import load_file

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.runs.export_model import export_model
from seq2seq.runs.task_run import TaskRun
from seq2seq.translate import Translator

SENTENCES = 500
LOAD = """
import sys, time
from seq2seq.translate import Translator
Translator.load("demo")
started = time.process_time()
Translator.{method}(sys.argv[1])
print(time.process_time() - started)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    lines = [source for source, _ in phrase_pairs("test", count=SENTENCES)]
    with tempfile.TemporaryDirectory() as name:
        run, folder = Path(name) / "run", Path(name) / "moved" / "model"
        shutil.copytree(arguments.run, run)
        before = "\n".join(Translator.load(run)(lines))
        export_model(TaskRun.open(run), Path(name) / "model")
        folder.parent.mkdir()
        (Path(name) / "model").rename(folder)
        seconds: dict[str, list[float]] = {"load": [], "from_pretrained": []}
        for _ in range(arguments.rounds):
            for method, path in (("load", run), ("from_pretrained", folder)):
                seconds[method].append(_load(method, path))
        shutil.rmtree(run)
        after = "\n".join(Translator.from_pretrained(folder)(lines))
        weights = (folder / "model.safetensors").stat().st_size
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        tensors = len(load_file(folder / "model.safetensors"))
        license_key = ModelCard.load(folder / "README.md").data.license
    same = before.encode() == after.encode()
    print(
        f"{SENTENCES} translations of the folder alone: {'the same' * same or 'OTHER'}"
    )
    medians = {method: statistics.median(times) for method, times in seconds.items()}
    for method, median in medians.items():
        print(f"{method:<16} {1000 * median:7.1f} ms of processor time")
    print(f"ratio            {medians['from_pretrained'] / medians['load']:7.3f}")
    print(
        f"folder {size:,} bytes, weights {weights:,}: {size - 1.02 * weights:,.0f} "
        "over 1.02 times"
    )
    print(f"safetensors reads {tensors} tensors; ModelCard.load: licence {license_key}")


def _load(method: str, path: Path) -> float:
    command = [sys.executable, "-c", LOAD.format(method=method), str(path)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


if __name__ == "__main__":
    main()
