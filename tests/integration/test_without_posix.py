"""The commands run where Python has no POSIX and no open file can be renamed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.recipe.dump import recipe_yaml
from tests.integration.test_end_to_end import tiny


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="open files are read from /proc")
def test_every_command_of_the_main_path_runs_without_posix(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(recipe_yaml(tiny(max_steps=8)), encoding="utf-8")
    lines = tmp_path / "in.txt"
    lines.write_text("The dog sleeps.\nAnna sees a cat.\n", encoding="utf-8")
    run, out = tmp_path / "run", tmp_path / "out.txt"
    commands = [
        ["doctor", recipe],
        ["train", recipe, "-o", "model.attention=general", "--output", run],
        ["translate", run, lines, "--output", out, "--alignments", tmp_path / "align"],
        ["translate", run, lines, "--output", tmp_path / "out.gz"],
        ["evaluate", run, "--split", "valid", "--beam", "1"],
        ["score", run, "--source", lines, "--target", out],
        ["report", run, "--split", "valid"],
        ["average", run, run / "checkpoints" / "last.ckpt", "--output", tmp_path / "m"],
        ["shortlist", run],
        ["export", run, "--engine", "onnx", "--int8"],
        ["distill", run, tmp_path / "distilled", "--beam", "1"],
    ]
    script = tmp_path / "commands"
    text = "".join(json.dumps([str(w) for w in words]) + "\n" for words in commands)
    script.write_text(text, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.without_posix", str(script)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stderr.count(": 0\n") == len(commands)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2
