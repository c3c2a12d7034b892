"""`seq2seq start`: a spreadsheet becomes a translator, and the same command goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from seq2seq.data.phrasebook.corpus import phrase_pairs
from tests.helpers.translate_cli import call

TINY = """\
description: tiny
data: {path: data/pairs, source: en, target: de}
tokenizer: {vocab_size: 150}
model:
  embedding_size: 8
  encoder: {hidden_size: 8}
  decoder: {hidden_size: 8}
train: {max_steps: 40, batch_tokens: 200, validate_every: 20, checkpoint_every: 20}
"""


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spreadsheet's export in the current folder, which is empty else."""
    monkeypatch.chdir(tmp_path)
    with Path("pairs.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL)
        writer.writerow(["Nr.", "Englisch", "Deutsch"])
        for number, (source, target) in enumerate(phrase_pairs("train", count=400)):
            writer.writerow([number, source, "" if number == 7 else target])
    return Path("pairs.csv")


def test_a_spreadsheet_becomes_a_translator_and_the_same_command_goes_on(
    pairs: Path,
) -> None:
    Path("pairs.yaml").write_text(TINY)
    out, error = call("start", pairs)
    assert error == ""
    assert "left out: 1 because the target is blank" in out
    assert "pairs.yaml is the recipe: tiny." in out
    assert "about 1 minute on this machine for 10 more steps: an estimate" in out
    assert " sentences that it was not trained on" in out
    assert "  reference   " in out
    assert "seq2seq translate runs/pairs in.txt --output out.txt" in out
    counts = json.loads(Path("data/pairs/data.json").read_bytes())["pairs"]
    assert counts["valid"] in range(30, 41)
    assert counts["test"] in range(30, 41)
    before = Path("runs/pairs/checkpoints/last.ckpt").read_bytes()
    again, _ = call("start", pairs)
    assert "data/pairs is there already, made of the same files" in again
    assert out.splitlines()[-6:] == again.splitlines()[-6:]
    assert Path("runs/pairs/checkpoints/last.ckpt").read_bytes() == before
    translated, _ = call("translate", "runs/pairs", text=b"The dog sleeps.\n")
    assert translated.count("\n") == 1


def test_what_is_there_is_never_taken_for_something_else(pairs: Path) -> None:
    Path("pairs.yaml").write_text(TINY.replace("data/pairs", "data/other"))
    says = call("start", pairs)[1]
    assert says.startswith("pairs.yaml is there already, and is for data/other.")
    pairs.write_bytes(pairs.read_bytes() + b'"401";"No.";"Nein."\r\n')
    says = call("start", pairs)[1]
    assert says.startswith("data/pairs is there already, and not made of pairs.csv as")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no.csv"], "no.csv is missing. Name a file of sentence pairs."),
        (["empty"], "empty is empty. Put a file of sentence pairs there."),
        (["three"], "three has the languages de, en, fr; two are needed: --source"),
        (["small.csv"], "small.csv has 2 pairs to train on, and fewer than 200"),
        (["pairs.csv", "--name", "../x"], "--name ../x: use letters, digits"),
    ],
)
def test_what_cannot_be_started_from_is_refused_in_a_line(
    pairs: Path, arguments: list[str], says: str
) -> None:
    Path("empty").mkdir()
    Path("three").mkdir()
    for language in ("en", "de", "fr"):
        (Path("three") / f"train.{language}").write_text("x\n")
    Path("small.csv").write_text("en,de\nA dog.,Ein Hund.\nA cat.,Eine Katze.\n")
    assert says in call("start", *arguments)[1]
    assert not Path("runs").exists()


def test_a_folder_of_splits_is_taken_as_it_is_wherever_it_lies(pairs: Path) -> None:
    call("data", "split", pairs, "data/mine", "--valid", "30", "--test", "30")
    Path("mine.yaml").write_text(TINY.replace("data/pairs", "data/mine"))
    before = Path("data/mine/data.json").read_bytes()
    out, error = call("start", "data/mine")
    assert error == ""
    assert "seq2seq translate runs/mine in.txt --output out.txt" in out
    assert Path("data/mine/data.json").read_bytes() == before


def test_the_options_that_an_import_asks_for_are_options_of_start(pairs: Path) -> None:
    Path("three.csv").write_text("a;b;c\nA dog.;Ein Hund.;Un chien.\n" * 3)
    assert "Say which, source first: --columns" in call("start", "three.csv")[1]
    options = ["--columns", "1,2", "--source", "en", "--target", "de", "--no-header"]
    says = call("start", "three.csv", *options)[1]
    assert "fewer than 200 teach nothing" in says


def test_without_arguments_six_lines_say_what_to_do_first() -> None:
    out, _ = call()
    assert out.count("\n") == 6
    assert "seq2seq start PAIRS.xlsx" in out
