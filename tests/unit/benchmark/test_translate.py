"""The line of JSON that `bench translate` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seq2seq.benchmark.machine import (
    ResourceMeter,
    process_uptime,
    round_significant,
    system_cpu_seconds,
)
from seq2seq.benchmark.translate import FixedLengthEngine, LengthRange
from seq2seq.translate import TranslationOptions, Translator
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import call

# What the peers' kit prints and its versus.py compares.
NAMES = {
    "program", "torch", "threads", "task", "model", "beam", "batch", "lengths",
    "sentences_per_second", "pieces_per_second", "pieces_per_sentence", "bleu",
    "bleu_signature", "start_up_seconds", "wall_seconds", "peak_rss_mib",
    "others_cpu_share",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def files(folder: Path, lines: int = 20) -> list[str | Path]:
    (folder / "s").write_text("A dog sleeps.\n" * lines)
    (folder / "r").write_text("Ein Hund schläft.\n" * lines, encoding="utf-8")
    return ["--source", folder / "s", "--reference", folder / "r"]


def test_a_line_has_the_peers_names(run: Path, tmp_path: Path) -> None:
    more = ["--beam", 2, "--batch-size", 8, "--min-length", 5, "--max-length", 6]
    out, errors = call("bench", "translate", run, *files(tmp_path), *more)
    assert errors == ""
    line = json.loads(out)
    assert set(line) >= NAMES
    assert (line["beam"], line["batch"], line["lengths"]) == (2, 8, [5, 6])
    assert line["sentences"] == 20
    assert 5 <= line["pieces_per_sentence"] <= 6
    rates = line["pieces_per_second"] / line["sentences_per_second"]
    assert rates == pytest.approx(line["pieces_per_sentence"], rel=3e-3)
    assert "tok:13a" in line["bleu_signature"]


def test_the_split_of_the_run_is_the_usual_text(run: Path) -> None:
    out, _ = call("bench", "translate", run, "--beam", 1)
    assert json.loads(out)["sentences"] == 500
    assert json.loads(out)["lengths"] is None


@pytest.mark.parametrize("lengths", [(1, 1), (4, 4), (3, 9), (30, 40)])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_lengths_are_kept(run: Path, lengths: tuple[int, int], beam_size: int) -> None:
    translator = Translator.load(run)
    translator.engine = FixedLengthEngine(translator.engine, LengthRange(*lengths))
    search = translator.recipe.search.model_copy(
        update={"max_length_ratio": 50.0, "beam_size": beam_size}
    )
    translations = translator.translate_batch(
        ["A dog.", "No", "The men sleep."], TranslationOptions(search=search)
    )
    for translation in translations:
        assert lengths[0] <= translation.n_best[0].num_tokens <= lengths[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--min-length", "5"], "--min-length and --max-length belong together"),
        (["--min-length", "5", "--max-length", "4"], "hold nothing"),
        (["--source", "s"], "--source and --reference belong together"),
        (["--engine", "onnx"], "was not exported"),
    ],
)
def test_what_cannot_be_measured_is_an_error(
    run: Path, more: list[str], message: str
) -> None:
    assert message in call("bench", "translate", run, *more)[1]


def test_unequal_files_are_not_measured(run: Path, tmp_path: Path) -> None:
    both = files(tmp_path)
    (tmp_path / "r").write_text("a\n")
    assert "has 20 lines but" in call("bench", "translate", run, *both)[1]


def test_a_meter_measures_plausible_costs(monkeypatch: Any) -> None:
    cost = ResourceMeter().cost()
    assert cost["wall_seconds"] >= 0
    assert 10 < cost["peak_rss_mib"] < 1e6
    assert cost["others_cpu_share"] >= 0
    assert process_uptime() > 0
    assert round_significant({"a": 1.23456, "b": 7}) == {"a": 1.235, "b": 7}
    monkeypatch.setattr(
        Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(OSError)
    )
    assert system_cpu_seconds() is None
    assert process_uptime() >= 0
    assert "others_cpu_share" not in ResourceMeter().cost()
