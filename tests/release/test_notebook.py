"""The notebook runs, also after its kernel was killed amid training; outputs are small.

Its outputs are of `jupyter execute --inplace quickstart.ipynb`, run twice.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "quickstart.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
OVERRIDE = '["train.checkpoint_every=200"]'
TRAIN = "train(recipe, run)"
SHORT = (
    '["data.max_pairs=300", "tokenizer.vocab_size=200", "train.max_steps=120", '
    '"train.validate_every=60", "train.checkpoint_every=20"]'
)
KILL = """
import os, signal
from lightning.pytorch import Callback

class Kill(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 50:
            os.kill(os.getpid(), signal.SIGKILL)

train(recipe, run, callbacks=[Kill()])
"""


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_notebook_is_small_and_names_no_path_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 120_000
    assert not re.search(r"(/tmp|/home|/root|/Users|site-packages|[A-Z]:\\\\)\b", text)


def test_every_cell_but_the_installation_has_run_without_an_error() -> None:
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    install, folder, *others = code
    assert source(install) == "%pip install -q seq2seq-recurrent"
    assert install["metadata"]["tags"] == ["skip-execution"]
    assert not folder["outputs"]
    kinds = {output["output_type"] for cell in others for output in cell["outputs"]}
    assert kinds == {"display_data", "execute_result", "stream"}
    assert all(cell["outputs"] for cell in others)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_to_its_end_after_its_kernel_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs the extra release")
    pytest.importorskip("ipykernel", reason="needs the extra release")
    from nbclient.exceptions import DeadKernelError
    from nbformat import reads

    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert all(text.count(json.dumps(part)[1:-1]) == 1 for part in (OVERRIDE, TRAIN))
    for kill in (True, False):
        notebook = reads(text, as_version=4)
        for cell in notebook.cells:
            cell.source = cell.source.replace(OVERRIDE, SHORT)
            if kill:
                cell.source = cell.source.replace(TRAIN, KILL)
        resources = {"metadata": {"path": str(tmp_path)}}
        client = nbclient.NotebookClient(notebook, resources=resources, timeout=1200)
        if kill:
            with pytest.raises(DeadKernelError):
                client.execute()
        else:
            client.execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    data = [output["data"] for output in outputs if "data" in output]
    assert sum("image/png" in values for values in data) == 2
    assert any("## Scores" in values.get("text/markdown", "") for values in data)
    log = (tmp_path / "runs" / "quickstart" / "train.log").read_text(encoding="utf-8")
    assert log.count("continuing from") == 1
    assert (tmp_path / "runs" / "quickstart" / "report" / "test").is_dir()
