"""Model folders: complete without the run, and refused where a byte is not theirs."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.engines.onnx.export import export as export_onnx
from seq2seq.errors import UserError
from seq2seq.evaluation.evaluate import evaluate_split
from seq2seq.runs.export_model import export_model
from seq2seq.runs.model_folder import WEIGHTS, shipped_model, write_sums
from seq2seq.runs.run import Run
from seq2seq.runs.run_folder import RunFolder
from seq2seq.runs.safetensors import read_safetensors, write_safetensors
from seq2seq.runs.task_run import TaskRun
from seq2seq.translate import Translator
from seq2seq.utils.checksums import (
    CHECKSUM_FILE,
    find_corruption,
    listed_names,
    write_checksums,
)
from tests.helpers.cli import invoke
from tests.helpers.runs import make_language_model, make_run

LINES = [source for source, _ in phrase_pairs("test", count=40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a run with tied embeddings, ONNX graphs and a score."""
    parent = tmp_path_factory.mktemp("export")
    run = make_run(
        parent / "run", tie_embeddings="all", decoder={"layers": 1, "hidden_size": 12}
    )
    recipe = (run / "recipe.yaml").read_text().replace("phrasebook", "/home/ann/corpus")
    (run / "recipe.yaml").write_text(recipe)
    RunFolder(run).write_checksums()
    (run / "evaluation" / "test").mkdir(parents=True)
    score = {"score": 12.345, "interval": [11.0, 13.5], "signature": "a|b"}
    (run / "evaluation" / "test" / "scores.json").write_text(
        json.dumps({"bleu": score})
    )
    export_onnx(Run.open(run), int8=False)
    export_model(TaskRun.open(run), parent / "model", license_key="mit")
    return parent / "model"


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_a_folder_translates_as_its_run_did(
    model: Path, tmp_path: Path, engine: str
) -> None:
    before = Translator.load(model.parent / "run", engine=engine)(LINES)
    shutil.copytree(model, tmp_path / "moved")
    assert Translator.load(tmp_path / "moved", engine=engine)(LINES) == before


def test_a_folder_says_nothing_of_the_machine(model: Path) -> None:
    for path in (model / "config.json", model / "README.md", model / "generation.json"):
        assert "/home" not in path.read_text()
        assert str(model.parent) not in path.read_text()
    recipe = json.loads((model / "config.json").read_bytes())["recipe"]
    assert recipe["data"]["path"] == "corpus"


def test_options_of_the_search_can_be_overridden(model: Path) -> None:
    greedy = Translator.load(model, overrides=["search.beam_size=1"])
    wide = Translator.load(model.parent / "run", overrides=["search.beam_size=1"])
    assert greedy(LINES) == wide(LINES)
    with pytest.raises(UserError, match=r"search\.beam_sise"):
        Translator.load(model, overrides=["search.beam_sise=1"])


def test_the_library_reads_what_is_written_and_the_reverse(
    model: Path, tmp_path: Path
) -> None:
    weights = Run.open(model.parent / "run").network().state_dict()
    theirs = safetensors.torch.load_file(model / WEIGHTS)
    ours = read_safetensors(model / WEIGHTS)
    assert set(ours) == set(weights)
    assert set(theirs) < set(weights)  # Tied tensors are there once.
    assert all(torch.equal(ours[name], weights[name]) for name in weights)
    assert all(torch.equal(theirs[name], weights[name]) for name in theirs)
    assert len({ours[name].data_ptr() for name in ours}) == len(theirs)
    odd = {
        "a": torch.arange(3, dtype=torch.uint8),
        "b": torch.randn(2, 0),
        "c": torch.randn(2, 3).bfloat16().T.contiguous(),
        "d": torch.tensor(True),
        "e": torch.tensor(-5),
    }
    safetensors.torch.save_file(odd, tmp_path / "x")
    again = read_safetensors(tmp_path / "x")
    assert all(
        torch.equal(again[k], odd[k]) and again[k].dtype == odd[k].dtype for k in odd
    )
    write_safetensors(tmp_path / "y", odd)
    assert safetensors.torch.load_file(tmp_path / "y").keys() == odd.keys()


def test_the_card_has_scores_with_signatures_and_the_licence(model: Path) -> None:
    card = ModelCard.load(model / "README.md")
    assert card.data.license == "mit"
    (result,) = card.data.eval_results
    assert (result.metric_value, result.metric_config) == (12.35, "a|b")
    assert "| test | BLEU | 12.35 | 11.0 to 13.5 | `a\\|b` |" in card.text


def test_cards_of_other_tasks_have_their_scores_and_what_a_data_set_page_shows(
    tmp_path: Path,
) -> None:
    run = make_language_model(tmp_path / "run")
    perplexity = {"score": 4.56485, "interval": [4.51, 4.62]}
    data = {"path": "novels", "id": "ann/novels", "commit": "c" * 40}
    scores = {"network": {"perplexity": perplexity}, "baselines": [], "data": data}
    for split in ("valid", "test", "test-ensemble"):
        (run / "evaluation" / split).mkdir(parents=True)
        path = run / "evaluation" / split / "scores.json"
        path.write_text(json.dumps(scores))
        perplexity["score"] += 1
    export_model(TaskRun.open(run), tmp_path / "model")
    card = ModelCard.load(tmp_path / "model" / "README.md")
    rows = [line for line in card.text.splitlines() if "perplexity" in line]
    assert rows == [
        "| test | perplexity of a token | 5.565 | 4.51 to 4.62 |  |",
        "| valid | perplexity of a token | 4.565 | 4.51 to 4.62 |  |",
    ]
    result = card.data.eval_results[0]
    assert (result.dataset_type, result.dataset_revision) == ("ann/novels", "c" * 40)
    (path,) = (tmp_path / "model" / ".eval_results").iterdir()
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == (
        "ann/novels",
        "default",
        5.565,
    )
    assert entry.dataset_revision == "c" * 40
    # A copy keeps both, under its own name.
    invoke(
        "export", str(tmp_path / "model"), "--to", str(tmp_path / "b"), "--license=mit"
    )
    copy = ModelCard.load(tmp_path / "b" / "README.md")
    assert copy.data.license == "mit"
    assert copy.text == card.text.replace("sample model", "sample b")
    assert (tmp_path / "b" / ".eval_results" / path.name).is_file()


def test_scores_on_a_data_set_of_the_hub_name_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    rows = datasets.Dataset.from_list([{"en": "A dog.", "de": "Ein Hund."}] * 3)
    info = SimpleNamespace(id="wmt/wmt14", sha="c" * 40)
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: rows)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: info)
    run = make_run(tmp_path / "run")
    recipe = (run / "recipe.yaml").read_text().replace("phrasebook", "wmt/wmt14")
    (run / "recipe.yaml").write_text(recipe)
    evaluate_split(run, "test")
    export_model(TaskRun.open(run), tmp_path / "model")
    text = (tmp_path / "model" / ".eval_results" / "wmt--wmt14.yaml").read_text()
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.dataset_revision) == ("wmt/wmt14", "c" * 40)
    assert "BLEU on test, 95% interval" in str(entry.notes)
    assert "tok:13a" in str(entry.notes)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "generation.json",
        WEIGHTS,
        "tokenizer/source.model",
        CHECKSUM_FILE,
    ],
)
def test_a_flipped_bit_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged|missing") as caught:
        Translator.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_a_pickle_in_place_of_weights_is_refused(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).write_bytes(pickle.dumps({"a": 1}))
    write_sums(tmp_path / "model")
    with pytest.raises(UserError, match="no safetensors file"):
        Translator.load(tmp_path / "model")


def test_a_link_is_refused(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer" / "source.model"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        Translator.load(tmp_path / "model")


def test_a_name_that_leads_out_of_the_folder_is_refused(
    model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "secret").write_text("x")
    names = [*listed_names(model), "tokenizer/../../secret"]
    write_checksums(tmp_path / "model", names)
    with pytest.raises(UserError, match="SHA256SUMS is damaged"):
        Translator.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, 4),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, 4),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, 8),
        ({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}, 4),
        ({"a": {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]}}, 4),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 8),
        ({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, 4),
        ({"a": 1}, 0),
        ({"__metadata__": 5}, 0),
        ({"__metadata__": {"tied": "[1]"}}, 0),
        ("a", 0),
        ([], 0),
    ],
)
def test_malformed_safetensors_are_one_line(
    tmp_path: Path, header: Any, data: int
) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "x"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))
    with pytest.raises(UserError, match="is damaged or no safetensors file"):
        read_safetensors(path)


def test_any_task_can_be_exported(tmp_path: Path) -> None:
    run = TaskRun.open(make_language_model(tmp_path / "run"))
    export_model(run, tmp_path / "model")
    opened = TaskRun.open(tmp_path / "model")
    assert opened.recipe == run.recipe
    ours, theirs = opened.weights(), run.weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_demo_translates_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("The old man buys a red car.\n\n")
    status, _, error = invoke("translate", "demo", "in", "--output", "out")
    assert status == 0, error
    assert Path("out").read_text() == "Der alte Mann kauft ein rotes Auto.\n\n"
    folder = shipped_model("demo")
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 3e6
    assert find_corruption(folder, listed_names(folder)) is None
    (tmp_path / "demo").mkdir()
    assert shipped_model("demo") == Path("demo")


def test_half_rounds_the_folders_weights_alone(model: Path, tmp_path: Path) -> None:
    run = str(model.parent / "run")
    assert invoke("export", run, "--to", str(tmp_path / "half"), "--half")[0] == 0
    theirs = TaskRun.open(run).weights()
    ours = read_safetensors(tmp_path / "half" / WEIGHTS)
    assert all(torch.equal(ours[name], theirs[name].half()) for name in theirs)
    assert (tmp_path / "half" / WEIGHTS).stat().st_size < (
        0.6 * (model / WEIGHTS).stat().st_size
    )
    network = Run.open(tmp_path / "half").network()
    assert network.decoder.output_layer.weight.dtype == torch.float32
    to = ("--to", str(tmp_path / "both"))
    status, _, error = invoke("export", run, *to, "--half", "--engine", "onnx")
    assert status == 1
    assert "--half leaves exports out" in error
    assert not (tmp_path / "both").exists()


def test_exports_of_other_weights_are_left_out_and_named(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(model.parent / "run", tmp_path / "run")
    manifest = tmp_path / "run" / "onnx" / "manifest.json"
    content = json.loads(manifest.read_bytes()) | {"fingerprint": "of another"}
    manifest.write_text(json.dumps(content))
    export_model(TaskRun.open(tmp_path / "run"), tmp_path / "new")
    assert not (tmp_path / "new" / "onnx").exists()
    assert "onnx is left out" in caplog.text


def test_export_replaces_models_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    run = str(model.parent / "run")
    status, _, error = invoke("export", run, "--to", str(tmp_path / "thesis"))
    assert status == 1
    assert "exists and is no model folder" in error
    assert (tmp_path / "thesis" / "chapter.tex").exists()
    for _ in range(2):
        status, output, error = invoke("export", run, "--to", str(tmp_path / "new"))
        assert status == 0, error
        assert "complete without" in output
    assert not list(tmp_path.glob(".*"))
    assert invoke("export", run)[0] == 1
