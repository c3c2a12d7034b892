"""Push and pull by the Hub's own client, against a stand-in of the Hub."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seq2seq.engines.onnx.export import export as export_onnx
from seq2seq.errors import UserError
from seq2seq.runs.export_model import export_model
from seq2seq.runs.hub import download_model, push_to_hub
from seq2seq.runs.model_folder import model_files, write_sums
from seq2seq.runs.run import Run
from seq2seq.runs.task_run import TaskRun
from seq2seq.translate import Translator
from seq2seq.utils.checksums import CHECKSUM_FILE
from tests.helpers.cli import invoke
from tests.helpers.hub_server import Files, Hub, Repository
from tests.helpers.runs import make_run

LINES = ["The old man buys a red car.", "", "Dogs sleep."]
SUMMED = [
    "config.json",
    "generation.json",
    "model.safetensors",
    "onnx/SHA256SUMS",
    "onnx/decoder_step.onnx",
    "onnx/encoder.onnx",
    "onnx/manifest.json",
    "onnx/output_layer.onnx",
    "tokenizer/source.model",
    "tokenizer/target.model",
    CHECKSUM_FILE,
]


WATCHES: list[list[str]] = []
"""Each gets the paths that Python opens while it is in here; a hook stays for ever."""


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        for paths in WATCHES:
            paths.append(os.fspath(arguments[0]))


sys.addaudithook(_audit)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with ONNX graphs."""
    parent = tmp_path_factory.mktemp("hub")
    run = Run.open(make_run(parent / "run"))
    export_onnx(run, int8=False)
    export_model(TaskRun.open(run.folder.path), parent / "model")
    return parent / "model"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub of its own, an empty cache, a token, and no waiting between retries."""
    server = Hub()
    constants = "huggingface_hub.constants"
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(f"{constants}.ENDPOINT", server.address)
    monkeypatch.setattr(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(f"{constants}.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(f"{constants}.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("HF_TOKEN", server.token)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(hub: Hub, model: Path) -> Files:
    """The files of a public repository ann/model."""
    files = {name: (model / name).read_bytes() for name in model_files(model)}
    hub.repositories["ann/model"] = Repository(private=False)
    hub.repositories["ann/model"].add(files)
    return files


def republish(hub: Hub, files: Files) -> str:
    return hub.repositories["ann/model"].add(files)


def refusal(action: str, folder: Path) -> str:
    """Return the message of a refused pull or push, which is one line."""
    actions: dict[str, Callable[[], object]] = {
        "pull": lambda: Translator.from_pretrained("ann/model"),
        "push": lambda: push_to_hub(folder, "ann/new"),
    }
    with pytest.raises(UserError) as caught:
        actions[action]()
    message = str(caught.value)
    assert "\n" not in message
    assert "hf_secret" not in message
    assert "http" not in message
    return message


def test_what_is_pushed_translates_as_before(hub: Hub, model: Path) -> None:
    address = push_to_hub(model, "ann/model")
    repository = hub.repositories["ann/model"]
    assert repository.private
    assert address.endswith(list(repository.commits)[-1])
    files = repository.commits[address.rsplit("/", 1)[1]]
    assert sorted(files) == sorted([".gitattributes", *model_files(model)])
    assert "seq2seq translate hf://ann/model\n" in files["README.md"].decode()
    assert 'from_pretrained("hf://ann/model")' in files["README.md"].decode()
    before = Translator.load(model)(LINES)
    assert Translator.from_pretrained("ann/model")(LINES) == before
    with_onnx = Translator.from_pretrained("hf://ann/model", engine="onnx")
    assert with_onnx(LINES) == Translator.load(model, engine="onnx")(LINES)
    # Where large files are stored, a token is nobody's business.
    gets = {token for call, token in hub.requests if "GET /objects" in call}
    assert gets == {None}


def test_without_a_connection_the_cache_is_read(
    hub: Hub, published: Files, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UserError, match="no such revision"):
        Translator.from_pretrained("ann/model", revision="v9")
    folder = download_model("ann/model")
    for fault in (429, 503, "cut"):
        caplog.clear()
        hub.faults = {"/api/models": fault}
        assert download_model("ann/model") == folder
        assert "read from the cache, commit " + folder.name[:12] in caplog.text
    hub.requests.clear()
    assert download_model("ann/model", revision=folder.name) == folder
    assert hub.requests == []
    # A folder that the client has made of links is a model folder like any other.
    assert (folder / "config.json").is_symlink()
    assert Translator.load(folder)(LINES) == Translator.load(model)(LINES)
    assert refusal("push", model)


def test_an_interrupted_download_is_not_taken_for_a_model(
    hub: Hub, published: Files, model: Path
) -> None:
    hub.faults = {"GET /ann/model/resolve": "cut"}
    assert "what has arrived is kept" in refusal("pull", model)
    hub.faults = {"/api/models": 503}
    assert "status 503" in refusal("pull", model)
    hub.faults = {}
    assert Translator.from_pretrained("ann/model")(LINES)


@pytest.mark.parametrize("name", SUMMED)
@pytest.mark.parametrize("damage", ["bit", "pickle", "missing"])
def test_a_damaged_file_is_refused(
    hub: Hub, published: Files, model: Path, name: str, damage: str
) -> None:
    assert sorted([*SUMMED, "README.md"]) == sorted(published)
    content = bytearray(published.pop(name))
    content[len(content) // 2] ^= 4
    if damage != "missing":
        published[name] = bytes(content) if damage == "bit" else pickle.dumps({"a": 1})
    republish(hub, published)
    assert name in refusal("pull", model)


def test_a_damaged_folder_is_not_pushed(hub: Hub, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert "model.safetensors is damaged" in refusal("push", tmp_path / "model")
    assert hub.requests == []


@pytest.mark.parametrize("name", [*SUMMED, "README.md", "tokenizer"])
def test_a_link_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    for action in (Translator.load, lambda folder: push_to_hub(folder, "ann/new")):
        with pytest.raises(UserError, match="is a link"):
            action(tmp_path / "model")


def test_no_file_is_opened_that_the_sums_do_not_list(
    model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    for name in ("tokenizer/evil.model", "evil.pkl", "data.json", "metrics.csv"):
        (folder / name).write_bytes(pickle.dumps({"a": 1}))
    paths: list[str] = []
    WATCHES.append(paths)
    assert Translator.from_pretrained(folder)(LINES)
    WATCHES.remove(paths)
    opened = {Path(p) for p in paths if p.startswith(f"{folder}/")}
    assert {path.relative_to(folder).as_posix() for path in opened} == {
        name for name in SUMMED if not name.startswith("onnx/")
    }


def test_a_folder_without_its_search_options_is_refused(
    model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / "generation.json").unlink()
    with pytest.raises(UserError, match=r"generation\.json is missing"):
        Translator.load(tmp_path / "model")


def test_another_format_is_named(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    write_sums(tmp_path / "model")
    with pytest.raises(UserError, match="has the model format 2, but this version"):
        Translator.load(tmp_path / "model")


def test_only_the_files_of_a_model_folder_are_downloaded(
    hub: Hub, published: Files
) -> None:
    others = ["pytorch_model.bin", "setup.py", "tokenizer.json", "onnx.pkl"]
    republish(hub, published | dict.fromkeys(others, pickle.dumps({"a": 1})))
    folder = download_model("ann/model")
    assert not [name for name in others if (folder / name).exists()]


@pytest.mark.parametrize("name", ["tokenizer/../../../../../stolen", "onnx//../../x"])
def test_a_name_that_leads_out_is_refused(
    hub: Hub, published: Files, model: Path, tmp_path: Path, name: str
) -> None:
    republish(hub, published | {name: b"x"})
    refusal("pull", model)
    assert not [path for path in tmp_path.rglob("*") if path.name in ("stolen", "x")]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a\\..\\x", "C:x", "notes.txt"]
)
def test_sums_list_a_model_folders_files_alone(
    hub: Hub, published: Files, model: Path, name: str
) -> None:
    published[CHECKSUM_FILE] += f"{'0' * 64}  {name}\n".encode()
    republish(hub, published)
    assert CHECKSUM_FILE in refusal("pull", model)


@pytest.mark.parametrize(
    ("action", "fault", "message"),
    [
        ("pull", ("/api/models/ann/model", 401), "log in"),
        ("pull", ("/api/models/ann/model", 404), "status 404"),
        ("pull", ("/api/models/ann/model", 429), "wait some minutes"),
        ("pull", ("/api/models/ann/model", "cut"), "Connect to the network"),
        ("pull", ("/tree/", 500), "status 500"),
        ("pull", ("HEAD", 429), "wait some minutes"),
        ("pull", ("HEAD", "cut"), "Connect to the network"),
        ("pull", ("GET /objects", 403), "status 403"),
        ("pull", ("GET /objects", "cut"), "Connect to the network"),
        ("push", ("repos/create", 401), "log in"),
        ("push", ("repos/create", 403), "Your token may not do that"),
        ("push", ("validate-yaml", 429), "wait some minutes"),
        ("push", ("preupload", 429), "wait some minutes"),
        ("push", ("objects/batch", "cut"), "Connect to the network"),
        ("push", ("PUT /objects", 403), "Your token may not do that"),
        ("push", ("PUT /objects", "cut"), "Connect to the network"),
        ("push", ("commit", 401), "log in"),
        ("push", ("commit", "cut"), "Connect to the network"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    hub: Hub,
    published: Files,
    model: Path,
    action: str,
    fault: tuple[str, int | str],
    message: str,
) -> None:
    hub.faults = dict([fault])
    assert message in refusal(action, model)


def test_missing_models_and_wrong_tokens_are_one_line(
    hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no model ann/model that you may see" in refusal("pull", model)
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_another")
    assert "log in with: hf auth login" in refusal("pull", model)
    with monkeypatch.context() as offline:  # The client's own message has an address.
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert "offline mode is enabled" in refusal("pull", model)
    monkeypatch.delenv("HF_TOKEN")
    assert "no model ann/model that you may see" in refusal("pull", model)
    assert "log in with: hf auth login" in refusal("push", model)


def test_a_second_push_replaces_the_model_and_keeps_the_rest(
    hub: Hub, published: Files, model: Path, tmp_path: Path
) -> None:
    republish(hub, published | {"slides.pdf": b"x"})
    shutil.copytree(model, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "onnx")
    with pytest.raises(UserError, match=r"is public on the Hub.*--public"):
        push_to_hub(tmp_path / "model", "ann/model")
    address = push_to_hub(
        tmp_path / "model", "ann/model", private=False, create_pr=True
    )
    assert address.endswith("/discussions/1")
    push_to_hub(tmp_path / "model", "ann/model", private=False)
    files = list(hub.repositories["ann/model"].commits.values())[-1]
    assert "slides.pdf" in files
    assert not [name for name in files if name.startswith("onnx/")]
    with pytest.raises(UserError, match="no model ann/other"):
        push_to_hub(model, "ann/other", create_pr=True)


def test_the_command_names_what_it_uploads(
    hub: Hub, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / "evaluation").mkdir()
    (tmp_path / "model" / "evaluation" / "hypotheses.txt").write_text("secret\n")
    folder = str(tmp_path / "model")
    status, output, error = invoke("push", folder, "ann/model", "--dry-run")
    assert status == 0, error
    assert hub.requests == []
    assert "bytes for private ann/model" in output
    assert "left out, as no part of the model: evaluation/hypotheses.txt" in output
    status, output, error = invoke("push", folder, "hf://ann/model", "--public")
    assert status == 0, error
    assert f"{hub.address}/ann/model/commit/" in output
    assert not hub.repositories["ann/model"].private
    files = list(hub.repositories["ann/model"].commits.values())[-1]
    assert not [name for name in files if name.startswith("evaluation")]
    for name in ("model", "a/b/c", "a/b@main", "../b"):
        assert "no repository of the Hub" in invoke("push", folder, name)[2]
    run = str(model.parent / "run")
    assert f"seq2seq export {run} --to NAME" in invoke("push", run, "ann/x")[2]


def test_commands_go_to_the_hub_only_for_its_own_names(
    hub: Hub, published: Files, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("\n".join(LINES))
    status, output, error = invoke("translate", "ann/model", str(tmp_path / "in"))
    assert (status, output) == (1, "")
    assert "hf://ann/model" in error
    assert hub.requests == []
    revision = list(hub.repositories["ann/model"].commits)[-1]
    for name in ("hf://ann/model", f"hf:ann/model@{revision}"):
        files = [str(tmp_path / "in"), "--output", str(tmp_path / "out")]
        status, _, error = invoke("translate", name, *files)
        assert status == 0, error
        lines = (tmp_path / "out").read_text().splitlines()
        assert lines == Translator.load(model)(LINES)
    for name in ("hf://model", "hf://ann/model@", "hf://a/b/c", "hf://ann/../b"):
        error = invoke("translate", name, str(tmp_path / "in"))[2]
        assert error.endswith(
            "names no model of the Hub; write hf://user/model, or "
            "hf://user/model@revision.\n"
        )
    # What writes into a run's folder does not write into the cache.
    for command in (["export", "--engine", "onnx"], ["shortlist"]):
        for name in ("hf://ann/model", "demo"):
            status, _, error = invoke(command[0], name, *command[1:])
            assert status == 1
            assert "is shared" in error
    copy = str(tmp_path / "copy")
    status, _, error = invoke("export", "hf://ann/model", "--to", copy)
    assert status == 0, error
    assert Translator.load(copy)(LINES) == Translator.load(model)(LINES)
    manifest = json.loads((tmp_path / "copy" / "onnx" / "manifest.json").read_bytes())
    assert manifest["fingerprint"] == TaskRun.open(copy).fingerprint()
