"""An explanation is of the translation itself, and its parts agree."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq.engines.onnx.export import export
from seq2seq.errors import UserError
from seq2seq.runs.run import Run
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.explain import explain
from seq2seq.translate.gate_activations import gate_activations
from seq2seq.types import Hypothesis
from tests.helpers.runs import make_run

LINES = [
    "The old man buys a red car.",
    "A dog sleeps. The woman reads the book! Who sleeps?",
    "the cat and the dog and the cat and the dog and the child sleep",
    "",
    "𝄞 <img src=x onerror=alert(1)> \ud800",
]


@pytest.fixture(scope="module")
def demo() -> Translator:
    return Translator.load("demo", device="cpu")


def check(explained: dict[str, Any]) -> None:
    """Check all that parts of an explanation have in common."""
    assert json.loads(json.dumps(explained, allow_nan=False)) == explained
    for segment in explained["segments"]:
        nodes = {node["id"]: node for node in segment["tree"]}
        for node in nodes.values():
            if (parent := nodes.get(node["parent"])) is not None:
                assert parent["state"] == "kept"
                assert parent["step"] == node["step"] - 1
            before = parent["log_prob"] if parent else 0.0
            total = before + node["token_log_prob"]
            assert node["log_prob"] == pytest.approx(total, abs=1e-4)
        for hypothesis in segment["hypotheses"]:
            path = [nodes[index] for index in hypothesis["path"]]
            assert [node["parent"] for node in path] == [None, *hypothesis["path"][:-1]]
            assert [node["token"] for node in path] == hypothesis["tokens"]
            assert (path[-1]["state"] == "finished") == hypothesis["finished"]
            assert path[-1]["log_prob"] == hypothesis["log_prob"]
            log_probs = [node["token_log_prob"] for node in path]
            assert log_probs == pytest.approx(hypothesis["token_log_probs"], abs=2e-6)
            assert len(hypothesis["word_of_token"]) == len(hypothesis["tokens"])
            for matrix, side in (("attention", "tokens"), ("word_attention", "words")):
                if hypothesis[matrix] is None:
                    continue
                assert len(hypothesis[matrix]) == len(hypothesis[side])
                for row in hypothesis[matrix]:
                    assert len(row) == len(segment["source"][side])
                    assert sum(row) == pytest.approx(1, abs=1e-3)
        sides = {"source": segment["source"], "target": segment["hypotheses"][0]}
        for gate in segment["gates"]:
            rows = [gate["mean"], *(unit["values"] for unit in gate["units"])]
            assert {len(row) for row in rows} == {len(sides[gate["side"]]["tokens"])}
            assert all(0 <= value <= 1 for row in rows for value in row)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("beam_size", [1, 4])
def test_it_has_the_texts_and_scores_of_a_translation(
    demo: Translator, line: str, beam_size: int
) -> None:
    explained = explain(demo, line, beam_size=beam_size)
    check(explained)
    options = demo.with_beam_size(
        TranslationOptions(n_best=beam_size, align=True), beam_size
    )
    (expected,) = demo.translate_batch([line], options)
    assert explained["translation"] == expected.translation
    assert explained["missing"] == {}
    assert len(explained["segments"]) == expected.num_segments
    if expected.num_segments == 1 and expected.alignment is not None:
        (segment,) = explained["segments"]
        best = {hypothesis["text"]: hypothesis for hypothesis in segment["hypotheses"]}
        for hypothesis in expected.n_best:
            score = best[hypothesis.translation]["score"]
            assert score == pytest.approx(hypothesis.score, abs=1e-6)
        links = [tuple(link) for link in segment["hypotheses"][0]["alignment"]]
        assert links == expected.alignment.links()
        assert segment["source"]["words"][:-1] == [*expected.alignment.source]


def test_language_tokens_are_source_tokens_that_no_word_is_aligned_with(
    demo: Translator,
) -> None:
    translator = copy.copy(demo)
    translator.source = demo.source.with_prefix((7, 9))
    explained = explain(translator, LINES[0])
    check(explained)
    (segment,) = explained["segments"]
    assert segment["source"]["tokens"][:2] == demo.source.id_to_tokens((7, 9))
    assert segment["source"]["text"] == LINES[0]
    (expected,) = translator.translate_batch([LINES[0]], TranslationOptions(align=True))
    assert expected.alignment is not None
    links = [
        (source - 2, target) for source, target in segment["hypotheses"][0]["alignment"]
    ]
    assert links == expected.alignment.links()


def test_constraints_hold_and_the_tree_is_of_the_last_search(demo: Translator) -> None:
    request = TranslationRequest(LINES[0], "Ein", ("blaues",), ("alter",))
    options = demo.with_beam_size(TranslationOptions(n_best=6), 6)
    (expected,) = demo.translate_batch([request], options)
    explained = explain(
        demo,
        request.text,
        prefix=request.prefix,
        required=request.required,
        forbidden=request.forbidden,
        beam_size=6,
    )
    check(explained)
    assert explained["translation"] == expected.translation
    assert "blaues" in expected.translation
    with pytest.raises(UserError, match="blank"):
        explain(demo, "", prefix="Ein")


def test_a_watcher_receives_the_tree_step_by_step(demo: Translator) -> None:
    steps: list[dict[str, Any]] = []
    explained = explain(demo, LINES[1], watcher=steps.append)
    for number, segment in enumerate(explained["segments"]):
        of_segment = [step for step in steps if step["segment"] == number]
        assert [step["step"] for step in of_segment] == [*range(len(of_segment))]
        nodes = [node for step in of_segment for node in step["nodes"]]
        assert nodes == segment["tree"]


def test_what_a_model_or_an_engine_lacks_is_said(tmp_path: Path) -> None:
    plain = {"cell": "rnn", "layers": 1, "hidden_size": 8}
    blind = make_run(
        tmp_path / "blind",
        attention={"kind": "none"},
        encoder=plain | {"bidirectional": True},
        decoder=plain | {"hidden_size": 16},
    )
    explained = explain(Translator.load(blind), LINES[0])
    check(explained)
    assert explained["missing"]["attention"] == "the model has no attention."
    assert "RNN" in explained["missing"]["gates"]
    assert explained["segments"][0]["hypotheses"][0]["attention"] is None

    seeing = make_run(tmp_path / "seeing", seed=1)
    export(Run.open(seeing), int8=False)
    torch_engine, onnx = (
        explain(Translator.load(seeing, engine=engine), LINES[0])
        for engine in ("torch", "onnx")
    )
    check(onnx)
    for overrides in ([], ["search.early_stopping=true"]):
        check(
            explain(Translator.load(seeing, overrides=overrides), LINES[0], beam_size=1)
        )
    assert onnx["translation"] == torch_engine["translation"]
    assert set(onnx["missing"]) == {"gates"}
    assert onnx["segments"][0]["gates"] == []
    sampling = Translator.load(seeing, overrides=["search.method=sample"])
    with pytest.raises(UserError, match=r"search\.method=beam"):
        explain(sampling, LINES[0])


def test_gates_are_those_of_the_cell_and_reversed_with_its_source(
    tmp_path: Path,
) -> None:
    """A GRU's update gate by hand, at every position of a source read backwards."""
    cell = {"cell": "gru", "layers": 1, "hidden_size": 16, "bidirectional": False}
    run = make_run(
        tmp_path / "backwards",
        encoder=cell | {"reverse_source": True},
        attention={"kind": "general", "input_feeding": True},
    )
    translator = Translator.load(run)
    explained = explain(translator, LINES[0])
    check(explained)
    network = translator.network
    ids = [*translator.source.encode([LINES[0]])[0], 3]
    gru: Any = network.encoder.rnn.layers[0].rnn
    with torch.inference_mode():
        inputs = network.encoder.embedding(torch.tensor(ids[::-1]))
        inputs = inputs * network.encoder.scale
        hidden = torch.zeros(16)
        means = []
        for one in inputs:
            sums = gru.weight_ih_l0 @ one + gru.bias_ih_l0
            sums = sums + gru.weight_hh_l0 @ hidden + gru.bias_hh_l0
            means.append(float(sums[16:32].sigmoid().mean()))
            hidden = gru(one[None, None], hidden[None, None])[1][0, 0]
    (update,) = (
        gate
        for gate in explained["segments"][0]["gates"]
        if gate["layer"] == "encoder.1" and gate["gate"] == "update"
    )
    assert update["mean"] == pytest.approx(means[::-1], abs=1e-3)
    cut = Hypothesis((5, 6), log_prob=0.0, score=0.0, finished=False)
    gates = gate_activations(network, ids[:-1], cut)
    assert len(gates[-1]["mean"]) == 2
