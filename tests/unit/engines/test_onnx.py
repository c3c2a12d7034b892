"""ONNX Runtime agrees with torch, for every network that can be exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq.data.collate import collate
from seq2seq.engines.engine import TorchEngine
from seq2seq.engines.factory import load_engine
from seq2seq.engines.onnx.engine import FILES, NamedTensors
from seq2seq.engines.onnx.export import compare, export
from seq2seq.errors import UserError
from seq2seq.runs.run import Run
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.utils.checksums import write_checksums
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
graphs = pytest.importorskip("seq2seq.engines.onnx.graphs")

ENCODER = {"cell": "gru", "layers": 1, "hidden_size": 8, "bidirectional": True}
DECODER = {"cell": "gru", "layers": 1, "hidden_size": 16}
NETWORKS: dict[str, dict[str, Any]] = {
    "no attention": {"attention": {"kind": "none"}},
    "fixed": {"attention": {"kind": "fixed"}},
    "dot": {"attention": {"kind": "dot"}},
    "general": {},
    "general, heads": {"attention": {"kind": "general", "num_heads": 4}},
    "additive": {"attention": {"kind": "additive"}},
    "additive, heads": {"attention": {"kind": "additive", "num_heads": 2}},
    "input feeding": {"attention": {"kind": "general", "input_feeding": True}},
    "rnn": {
        "encoder": {**ENCODER, "cell": "rnn"},
        "decoder": {**DECODER, "cell": "rnn"},
    },
    "lstm, deep, residual": {
        "encoder": {**ENCODER, "cell": "lstm", "layers": 3, "residual": True},
        "decoder": {**DECODER, "cell": "lstm", "layers": 3, "residual": True},
    },
    "bottom, residual": {
        "encoder": {**ENCODER, "layers": 2},
        "decoder": {**DECODER, "cell": "lstm", "layers": 3, "residual": True},
        "attention": {"kind": "general", "architecture": "gnmt"},
    },
    "copy, reverse": {
        "encoder": {
            **ENCODER,
            "cell": "lstm",
            "bidirectional": False,
            "reverse_source": True,
            "hidden_size": 16,
        },
        "decoder": {**DECODER, "cell": "lstm"},
        "bridge": "copy",
    },
    "tied": {"tie_embeddings": "all"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_agrees_with_torch(name: str, tmp_path: Path) -> None:
    run = Run.open(make_run(tmp_path / "run", **NETWORKS[name]))
    _, comparison = export(run, int8=False)
    assert comparison.max_difference < 1e-4
    assert comparison.max_attention_difference < 1e-5
    assert comparison.agreement == 1.0


@pytest.mark.parametrize("table_size", [0, 2**24])
@pytest.mark.parametrize(
    "name", ["rnn", "lstm, deep, residual", "bottom, residual", "input feeding"]
)
def test_products_in_8_bits_agree_with_torch(
    name: str, table_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MAX_TABLE_SIZE", table_size)
    run = Run.open(make_run(tmp_path / "run", **NETWORKS[name]))
    _, comparison = export(run, int8=True)
    assert 0 < comparison.kl_divergence < 0.02
    assert comparison.agreement > 0.8


@pytest.mark.parametrize("name", ["general", "copy, reverse", "bottom, residual"])
def test_scores_in_8_bits_do_not_depend_on_the_batch(name: str, tmp_path: Path) -> None:
    run = Run.open(make_run(tmp_path / "run", **NETWORKS[name]))
    export(run, int8=True)
    engine = load_engine([run], "onnx-int8")
    generator = torch.Generator().manual_seed(3)
    sources = [
        torch.randint(4, 200, (length,), generator=generator).tolist()
        for length in (1, 3, 9, 9, 14, 2, 20, 6)
    ]
    last = torch.arange(4, 4 + len(sources))

    def scores(rows: slice) -> torch.Tensor:
        batch = collate(sources[rows], [[] for _ in sources[rows]])
        state, memory = engine.start(batch.source, batch.source_lengths)
        outputs = []
        for step in range(3):
            output = engine.step(last[rows] + step, state, memory)
            state = output.state
            outputs.append(output.log_probs)
        return torch.stack(outputs, dim=1)

    together = scores(slice(None))
    alone = torch.cat([scores(slice(n, n + 1)) for n in range(len(sources))])
    assert torch.allclose(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["general, heads", "additive", "fixed"])
def test_rows_of_a_sentence_share_its_memory(name: str, tmp_path: Path) -> None:
    run = Run.open(make_run(tmp_path / "run", **NETWORKS[name]))
    export(run, int8=False)
    engine = load_engine([run], "onnx")
    batch = collate([[5, 6, 7], [8]], [[], []])
    with torch.no_grad():
        state, memory = engine.start(batch.source, batch.source_lengths)
        twice = torch.tensor([0, 0, 0, 1, 1, 1])
        last = torch.arange(4, 10)
        shared = engine.step(last, state.select(twice), memory)
        copied = engine.step(last, state.select(twice), memory.select(twice))
    assert torch.allclose(shared.log_probs, copied.log_probs, atol=1e-6)
    if shared.attention is not None and copied.attention is not None:
        assert torch.allclose(shared.attention, copied.attention, atol=1e-6)


def test_a_wrong_graph_is_noticed(tmp_path: Path) -> None:
    run = Run.open(make_run(tmp_path / "run"))
    export(run, int8=False)
    other = Run.open(make_run(tmp_path / "other", seed=5))
    engine: Any = load_engine([run], "onnx")
    comparison = compare(TorchEngine(other.network()), engine, source_vocab_size=200)
    assert comparison.max_difference > 0.1
    assert comparison.kl_divergence > 0.01


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("runs") / "run")
    for more in ([], ["--int8"]):
        out, errors = call("export", folder, "--engine", "onnx", *more)
        assert "agrees with torch on" in out
        assert errors == ""
    return folder


def test_translations_are_those_of_torch(run: Path) -> None:
    text = "\n".join(LINES).encode()
    expected = Translator.load(run)(LINES)
    out, errors = call("translate", run, "--engine", "onnx", text=text)
    assert (lines_of(out), errors) == (expected, "")
    small = Translator.load(run, engine="onnx-int8")(LINES)
    assert len(small) == len(LINES)
    assert sum(map(str.__eq__, small, expected)) >= len(LINES) // 2
    both = Translator.load(run, ensemble=[run], engine="onnx")
    assert both(LINES) == expected


def test_an_int8_export_is_smaller_and_near(run: Path) -> None:
    sizes = {
        kind: sum(path.stat().st_size for path in (run / kind).glob("*.onnx"))
        for kind in ("onnx", "onnx-int8")
    }
    assert sizes["onnx-int8"] < sizes["onnx"]
    manifest = json.loads((run / "onnx-int8" / "manifest.json").read_text())
    assert 0 < manifest["comparison"]["kl_divergence"] < 0.05
    assert manifest["comparison"]["agreement"] > 0.8


def test_exporting_twice_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    before = (copy / "onnx" / "decoder_step.onnx").read_bytes()
    call("export", copy, "--engine", "onnx")
    assert (copy / "onnx" / "decoder_step.onnx").read_bytes() == before
    names = {path.name for path in copy.iterdir()}
    assert names == {path.name for path in run.iterdir()}


def test_what_an_export_cannot_do_is_an_error(run: Path, tmp_path: Path) -> None:
    translator = Translator.load(run, engine="onnx")
    with pytest.raises(UserError, match="has a network to look into"):
        translator.network  # noqa: B018, it raises
    with pytest.raises(UserError, match="score with --engine torch"):
        translator.engine.log_probs(collate([[5]], [[6]]))
    scans = {**ENCODER, "cell": "min_gru"}
    other = make_run(tmp_path / "other", encoder=scans)
    _, errors = call("export", other, "--engine", "onnx")
    assert "only rnn, gru and lstm cells" in errors
    assert not (other / "onnx").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("flip", r"decoder_step\.onnx is damaged: .*SHA256SUMS has another checksum"),
        ("missing", r"decoder_step\.onnx is missing"),
        ("manifest", r"manifest\.json is damaged"),
        ("none", r"was not exported. First: seq2seq export .* --engine onnx"),
        ("weights", r"exported from other weights"),
    ],
)
def test_damaged_exports_are_refused(
    run: Path, tmp_path: Path, damage: str, message: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    step = copy / "onnx" / "decoder_step.onnx"
    if damage == "flip":
        data = bytearray(step.read_bytes())
        data[len(data) // 2] ^= 1
        step.write_bytes(bytes(data))
    elif damage == "missing":
        step.unlink()
    elif damage == "manifest":
        (copy / "onnx" / "manifest.json").write_text("{}")
    elif damage == "none":
        shutil.rmtree(copy / "onnx")
    else:
        other = make_run(tmp_path / "other", seed=9)
        best = "checkpoints/best.ckpt"
        (copy / best).write_bytes((other / best).read_bytes())
    with pytest.raises(UserError, match=message):
        Translator.load(copy, engine="onnx")


def test_an_export_of_another_format_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "onnx-int8" / "manifest.json").read_text())
    del manifest["format"]
    (copy / "onnx-int8" / "manifest.json").write_text(json.dumps(manifest))
    write_checksums(copy / "onnx-int8", FILES)
    with pytest.raises(UserError, match=r"has the export format 1, .* --int8$"):
        Translator.load(copy, engine="onnx-int8")


def test_alignments_are_those_of_torch(run: Path) -> None:
    torch_results, onnx_results = (
        Translator.load(run, engine=engine).translate_batch(
            LINES, TranslationOptions(align=True)
        )
        for engine in ("torch", "onnx")
    )
    for one, other in zip(torch_results, onnx_results, strict=True):
        assert (one.alignment is None) == (other.alignment is None)
        if one.alignment is not None and other.alignment is not None:
            assert np.allclose(
                one.alignment.weights, other.alignment.weights, atol=1e-5
            )


def test_rows_are_selected_by_name() -> None:
    rows = NamedTensors({"a": torch.arange(3), "b": torch.arange(6).view(3, 2)})
    selected = rows.select(torch.tensor([2, 0, 2]))
    assert selected.tensors["a"].tolist() == [2, 0, 2]
    assert selected.tensors["b"].tolist() == [[4, 5], [0, 1], [4, 5]]
