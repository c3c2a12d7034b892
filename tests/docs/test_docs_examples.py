"""The code of docs/translate-at-scale.md does what the page says."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from seq2seq.translate import Translator
from tests.helpers.runs import make_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "translate-at-scale.md"
LINES = ["The old man buys a red car.", "", "I see the dog.", "We sleep.", "a\u2028b"]


def code(section: str) -> str:
    """The Python code of a section."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1]
    found = re.search(r"```python\n(.*?)```", text.split("\n## ")[0], re.S)
    assert found
    return found[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the run that the page names."""
    make_run(tmp_path / "runs" / "quickstart")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_code_for_datasets_translates_every_row(place: Path) -> None:
    names: dict[str, Any] = {}
    exec(code("Hugging Face datasets"), names)
    rows = names["rows"]
    assert rows["en"][:] == LINES[:3]
    assert rows["de"][:] == Translator.load("runs/quickstart")(LINES[:3])


def test_the_code_for_spark_maps_pandas_frames(place: Path) -> None:
    names: dict[str, Any] = {}
    exec(code("Spark"), names)
    given = [pandas.DataFrame({"en": LINES[:2]}), pandas.DataFrame({"en": LINES[2:]})]
    found = list(names["translated"](iter(given)))
    translator = Translator.load("runs/quickstart")
    for frame, asked in zip(found, (LINES[:2], LINES[2:]), strict=True):
        assert list(frame.columns) == ["en", "de"]
        assert list(frame["de"]) == translator(asked)


def test_a_copy_by_pickle_and_an_array_of_text_translate_alike(place: Path) -> None:
    translator = Translator.load("runs/quickstart")
    copy = pickle.loads(pickle.dumps(translator))  # noqa: S301, it is ours
    assert copy(np.array(LINES)) == translator(LINES)


@pytest.mark.slow
def test_the_code_for_ray_runs_in_rays_local_mode(place: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    rows = [{"en": line} for line in LINES]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (place / "in.jsonl").write_text(text, encoding="utf-8")
    # Reading, the actor and writing need a processor each, as Ray counts them.
    start = "import ray\nray.init(num_cpus=3, include_dashboard=False)\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code("Ray Data")],
        env={
            **os.environ,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_enable_worker_prestart": "0",
            # Its own 30 seconds are too few on a busy machine.
            "RAY_raylet_start_wait_time_s": "300",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    columns = pyarrow.parquet.read_table("out").to_pydict()
    found = dict(zip(columns["en"], columns["de"], strict=True))
    expected = Translator.load("runs/quickstart")(LINES)
    assert found == dict(zip(LINES, expected, strict=True))
