"""Reports of trained runs: model analysis, training history, the command line."""

from __future__ import annotations

import csv
import getpass
import json
import re
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seq2seq.cli import main
from seq2seq.data.collate import collate
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.evaluation import model_analysis
from seq2seq.evaluation.builder import build_report
from seq2seq.evaluation.evaluate import evaluate_split
from seq2seq.evaluation.html import render_html
from seq2seq.evaluation.model_analysis import MAX_TOKENS, analyse_model
from seq2seq.evaluation.schema import Report, SystemReport
from seq2seq.evaluation.systems import ReportRequest
from seq2seq.evaluation.training_history import read_training_history
from seq2seq.evaluation.words import word_frequencies, words
from seq2seq.recipe import Recipe, SearchOptions
from seq2seq.runs.run_folder import RunFolder
from seq2seq.search.penalties import HypothesisScorer
from seq2seq.training.train import train
from seq2seq.translate import Translator
from seq2seq.types import BOS, EOS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning"),
]


def tiny(data: Path, attention: str, seed: int = 1) -> Recipe:
    return Recipe.model_validate(
        {
            "seed": seed,
            "data": {"path": str(data), "source": "en", "target": "de"},
            "tokenizer": {"vocab_size": 250},
            "model": {
                "embedding_size": 16,
                "encoder": {"cell": "gru", "layers": 1, "hidden_size": 16},
                "decoder": {"cell": "gru", "layers": 1, "hidden_size": 16},
                "attention": {"kind": attention},
            },
            "train": {"max_steps": 50, "batch_tokens": 400, "validate_every": 25},
            "search": {"beam_size": 2},
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("report")
    data = folder / "data"
    data.mkdir()
    pairs = list(phrase_pairs("train", count=360))
    for split, some in (
        ("train", pairs[:300]),
        ("valid", pairs[330:]),
        ("test", pairs[300:330]),
    ):
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in some)
            (data / f"{split}.{language}").write_text(text, encoding="utf-8")
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2SEQ_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for name, attention, seed in (
            ("looking", "general", 1),
            ("looking-2", "general", 2),
            ("context", "fixed", 1),
        ):
            runs[name] = folder / name
            train(tiny(data, attention, seed), runs[name])
            evaluate_split(runs[name], "test")
    return runs


@pytest.fixture(scope="module")
def report(runs: dict[str, Path]) -> Report:
    request = ReportRequest(
        [str(path) for path in runs.values()], n_bootstrap=100, n_trials=100
    )
    return build_report(request, date="today", full=True, log=str)


def system(report: Report, name: str) -> SystemReport:
    return next(system for system in report.systems if system.name == name)


def test_the_reports_scores_are_the_evaluations(
    report: Report, runs: dict[str, Path]
) -> None:
    for name, run in runs.items():
        saved = json.loads((run / "evaluation/test/scores.json").read_text())
        scores = system(report, name).scores
        for metric in ("bleu", "chrf", "ter"):
            assert scores[metric].score == pytest.approx(saved[metric]["score"])
            assert scores[metric].signature == saved[metric]["signature"]
    assert report.test_set.tokenizer == "13a"
    assert report.test_set.segments == len(report.segments) == 30


def test_seeds_of_one_recipe_are_a_group(report: Report) -> None:
    (group,) = report.groups
    assert group.members == ["looking", "looking-2"]


def test_attention_sums_to_one_over_the_words_of_both_sides(
    report: Report, runs: dict[str, Path]
) -> None:
    reported = system(report, "looking").model_analysis
    assert reported is not None
    assert reported.context_projection is None
    translator = Translator.load(runs["looking"])
    sources = ["The man sleeps.", "Maria sings.", "The old dog."]
    targets = ["Der Mann schläft.", "Maria singt. " * MAX_TOKENS, ""]
    analysis = analyse_model(translator, sources, targets, sources, aligned=[1, 2, 3])
    (attention_map,) = (
        analysis.attention_maps
    )  # Of the others one is too long and one is empty.
    assert attention_map.segment == 1
    assert len(attention_map.weights) == len(attention_map.target)
    for tokens, line in (
        (attention_map.source, sources[0]),
        (attention_map.target, targets[0]),
    ):
        assert tokens == [*words(line), "</s>"]
    for weights in attention_map.weights:
        assert len(weights) == len(attention_map.source)
        assert sum(weights) == pytest.approx(1, abs=0.01)


def test_without_attention_there_is_a_projection_of_context_vectors(
    report: Report,
) -> None:
    analysis = system(report, "context").model_analysis
    assert analysis is not None
    assert analysis.attention_maps == []
    assert analysis.context_projection is not None
    points = analysis.context_projection.points
    assert len({point.segment for point in points}) == len(points) == 20
    sizes = [len(words(report.segments[p.segment - 1].source or "")) for p in points]
    assert sizes[0] < sizes[-1]


def test_search_errors_are_where_the_model_prefers_the_reference(
    runs: dict[str, Path],
) -> None:
    translator = Translator.load(runs["looking"])
    sources = ["The man sleeps.", "The dog sees the old house.", "Maria sings."]
    best = translator(sources, beam_size=8)
    bad = ["Haus Haus Haus Haus.", best[1], best[2]]
    errors = analyse_model(translator, sources, bad, best, aligned=[]).search_errors
    assert errors.compared == 3
    assert errors.segments == [1]
    same = analyse_model(translator, sources, best, best, aligned=[]).search_errors
    assert same.segments == []


def test_a_translations_score_is_the_sum_of_the_searchs_steps(
    runs: dict[str, Path],
) -> None:
    translator = Translator.load(runs["looking"])
    network = translator.network
    lines = ["The man sees the dog.", "Maria sings."]
    texts = ["Der Mann sieht den alten Hund.", "Maria singt."]
    expected = []
    with torch.inference_mode():
        for line, text in zip(lines, texts, strict=True):
            batch = collate(translator.source.encode([line]), [[]])
            state, memory = network.init_decoder(
                network.encoder(batch.source, batch.source_lengths)
            )
            tokens = [*translator.target.encode([text])[0], EOS]
            total, last = 0.0, BOS
            for token in tokens:
                step = network.step(torch.tensor([last]), state, memory)
                total, last = total + float(step.log_probs[0, token]), token
                state = step.state
            expected.append(total / len(tokens) ** 0.6)
        scores = model_analysis._scores(
            translator,
            lines,
            texts,
            HypothesisScorer(SearchOptions(length_penalty=0.6)),
        )
    assert scores == pytest.approx(expected, abs=1e-4)


def test_training_words_are_counted_once_and_again_when_the_text_changes(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    data = RunFolder(runs["looking"]).read_recipe().data
    source = (Path(data.path) / "train.en").read_text(encoding="utf-8")
    expected = Counter(words(source))
    frequencies = word_frequencies(data, tmp_path / "counts.json.gz")
    assert frequencies.source == expected
    assert frequencies.pairs == 300
    cached = (tmp_path / "counts.json.gz").read_bytes()
    assert word_frequencies(data, tmp_path / "counts.json.gz") == frequencies
    other = data.model_copy(update={"max_pairs": 10})
    assert word_frequencies(other, tmp_path / "counts.json.gz").pairs == 10
    (tmp_path / "counts.json.gz").write_bytes(cached[:100])
    assert word_frequencies(data, tmp_path / "counts.json.gz") == frequencies


def test_the_training_history_is_what_the_run_folder_has(runs: dict[str, Path]) -> None:
    run = RunFolder(runs["looking"])
    recipe = run.read_recipe()
    history = read_training_history(run, recipe)
    facts = dict(history.facts)
    summary = json.loads(run.summary.read_text())
    assert facts["parameters"] == f"{summary['parameters']:,}"
    assert facts["optimizer steps"].startswith("50 ")
    assert [step for step, _ in history.series["valid_bleu"]] == [25, 50]
    assert dict(history.data)["pairs read"] == "300"
    changed = {s.key: (s.value, s.base) for s in history.settings if s.base is not None}
    assert history.base == "the defaults"
    assert changed["tokenizer.vocab_size"] == ("250", "4000")
    assert "data.path" not in changed
    assert "cores" in history.versions["hardware"] or torch.cuda.is_available()


def test_a_page_of_runs_shows_all_of_it(report: Report) -> None:
    text = render_html(report, full=True)
    for heading in (
        "Inside the model",
        "How it was trained",
        "Is one better?",
        "Seeds",
    ):
        assert f">{heading}<" in text
    for heading in (
        "Loss",
        "Validation BLEU",
        "Learning rate",
        "Length of the gradient",
    ):
        assert f"<figcaption>{heading}" in text
    assert "mathdefault" not in text


def test_validation_keeps_intervals_and_translations(runs: dict[str, Path]) -> None:
    with (runs["looking"] / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["valid_bleu"]]
    for row in rows:
        low, score, high = (
            float(row[f"valid_bleu{end}"]) for end in ("_low", "", "_high")
        )
        assert low <= score <= high
    with (runs["looking"] / "samples.csv").open(encoding="utf-8") as file:
        translations = list(csv.DictReader(file))
    assert [int(row["step"]) for row in translations] == [25] * 10 + [50] * 10
    references = Path(RunFolder(runs["looking"]).read_recipe().data.path, "valid.de")
    lines = references.read_text(encoding="utf-8").split("\n")
    assert all(lines[int(row["line"]) - 1] == row["reference"] for row in translations)


@pytest.fixture
def seq2seq(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["seq2seq", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


Command = Callable[..., tuple[int, str, str]]


def test_no_output_tells_where_its_author_keeps_files(
    runs: dict[str, Path], tmp_path: Path, seq2seq: Command
) -> None:
    for name in ("one/run", "run"):
        shutil.copytree(runs["looking"], tmp_path / name)
    lost = tmp_path / "lost"
    shutil.copytree(runs["context"], lost)
    assert str(tmp_path.parent) in (lost / "recipe.yaml").read_text(encoding="utf-8")
    (lost / "checkpoints/best.ckpt").write_bytes(b"damaged")
    (lost / "word-counts.json.gz").unlink(missing_ok=True)
    systems = [str(tmp_path / name) for name in ("one/run", "run", "lost")]
    data, untrained = tmp_path / "data", shutil.ignore_patterns("train.*")
    shutil.copytree(runs["context"].parent / "data", data, ignore=untrained)
    for arguments in (systems, [systems[2], "--data-path", str(data)]):
        status, _, errors = seq2seq("report", *arguments, "--samples", "50")
        assert status == 0, errors
    notes = json.loads((lost / "report/test/report.json").read_text())["systems"][0]
    assert notes["notes"] == [
        "Without word frequencies: no training text to read.",
        "The model of lost could not be analysed.",
    ]
    private = {str(tmp_path), str(tmp_path.parent), str(Path.home()), "/tmp/"}
    private |= {getpass.getuser(), socket.gethostname(), "/checkpoints/"}
    written = [*tmp_path.glob("report/*"), *lost.glob("report/test/*")]
    assert len(written) == 6
    for path in written:
        text = path.read_text(encoding="utf-8")
        shown = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
        assert not [name for name in private if re.search(rf"\b{name}|{name}/", shown)]
        assert "data test" in shown  # The name of the data and of its split.
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert [system["path"] for system in report["systems"]] == ["run", "run", "lost"]
    assert report["systems"][0]["name"] == "one/run"
    assert re.fullmatch("[0-9a-f]{12}", report["test_set"]["fingerprint"])


def test_a_private_name_of_the_target_language_is_warned_of(
    runs: dict[str, Path], tmp_path: Path, seq2seq: Command
) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(runs["looking"], run)
    shutil.copytree(runs["looking"].parent / "data", data)
    (data / "test.de").rename(data / "test.deutsch")
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    recipe = re.sub("target: .?de.?$", "target: deutsch", recipe, flags=re.M)
    (run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (run / "SHA256SUMS").unlink()
    for verb in (("evaluate", "run"), ("report", "run", "--samples", "50")):
        status, out, errors = seq2seq(*verb, "--data-path", str(data))
        assert status == 0, errors
        assert "'deutsch' is no language code" in out + errors, verb


def test_report_writes_three_files_into_the_run(
    runs: dict[str, Path], tmp_path: Path, seq2seq: Command
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs["looking"], run)
    (run / "checkpoints/best.ckpt").write_bytes(b"damaged")
    shutil.rmtree(run / "report", ignore_errors=True)
    status, out, errors = seq2seq("report", "run", "--samples", "50")
    assert status == 0, errors
    assert "BLEU" in out
    assert out.count("segment ") >= 5
    assert {path.name for path in (run / "report/test").iterdir()} == {
        *("report.html", "report.json", "report.md")
    }
    notes = json.loads((run / "report/test/report.json").read_text())
    assert "The model of run could not be analysed" in notes["systems"][0]["notes"][0]


def test_compare_takes_a_run_and_a_file(
    runs: dict[str, Path], tmp_path: Path, seq2seq: Command
) -> None:
    run = runs["context"]
    lines = (run / "evaluation/test/hypotheses.txt").read_text().split("\n")
    (tmp_path / "mine.txt").write_text("\n".join(["Ja."] * 30) + "\n")
    arguments = ("compare", str(run), "my [bold]one=mine.txt", "--samples", "50")
    status, out, errors = seq2seq(*arguments, "--trials", "50")
    assert status == 0, errors
    assert "my [bold]one against context" in out
    report = json.loads((tmp_path / "comparison/report.json").read_text())
    assert report["segments"][0]["translations"][0]["text"] == lines[0]
    assert report["systems"][0]["training_history"] is None
    (test,) = report["comparisons"]
    assert test["tests"]["bleu"]["difference"] == pytest.approx(
        report["systems"][1]["scores"]["bleu"]["score"]
        - report["systems"][0]["scores"]["bleu"]["score"],
        abs=1e-4,
    )


def test_what_cannot_be_compared_gets_one_line_and_leaves_nothing(
    tmp_path: Path, seq2seq: Command
) -> None:
    (tmp_path / "h").write_text("a\nb\nc\n")
    (tmp_path / "r").write_text("a\n \n")
    command = ("report", "h", "--reference", "r", "--language", "de")
    status, _, errors = seq2seq(*command)
    assert status == 1
    assert "h has 3 hypotheses, but r has 2 references" in errors
    (tmp_path / "h").write_text("a\nb\n")
    status, _, errors = seq2seq(*command)
    assert status == 1
    assert "1 of 2 references are blank (line 2)" in errors
    status, _, errors = seq2seq("compare", "h")
    assert (status, errors.count("\n")) == (1, 1)
    assert "compare needs two systems" in errors
    assert not (tmp_path / "report").exists()
