"""Options of translate: search, minimum Bayes risk, damaged input."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from seq2seq.cli import app
from seq2seq.data.corpora import SentencePair
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.evaluation.search_sweep import plot_search_sweep, search_sweep
from seq2seq.metrics.sacrebleu_scores import bleu_metric
from seq2seq.recipe import SearchOptions
from seq2seq.translate import TranslationOptions, Translator
from seq2seq.translate.mbr import EPSILON
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, lines_of

# Search options ----------------------------------------------------------------------


def test_an_override_is_what_python_says(run: Path, translator: Translator) -> None:
    plain = translator.recipe.search
    for changed in (
        {"beam_size": 4, "num_beam_groups": 2, "diversity_penalty": 2.0},
        {"length_penalty": 0.2, "length_penalty_type": "gnmt", "coverage_penalty": 0.4},
        {"no_repeat_ngram_size": 1, "allow_unknown": False, "min_length_ratio": 0.9},
        {"method": "sample"},
    ):
        search = SearchOptions.model_validate(plain.model_dump() | changed)
        expected = translator(LINES, options=TranslationOptions(search=search))
        overrides = [f"search.{key}={value}".lower() for key, value in changed.items()]
        assert Translator.load(run, overrides=overrides)(LINES) == expected
        more = [word for override in overrides for word in ("-o", override)]
        out, _ = call("translate", run, *more, text="\n".join(LINES).encode())
        assert lines_of(out) == expected
        assert expected != translator(LINES)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            "-o serach.method=sample",
            "serach: unknown key, did you mean -o search.method=sample?",
        ),
        (
            "-o search.metod=sample",
            "search.metod: unknown key, did you mean -o search.method=sample?",
        ),
        ("-o search.method=greedy", "'greedy' is not one of 'beam', 'sample'"),
        ("-o model.dropout=0.1", "a trained run keeps all but how it searches"),
        ("-o search.beam_size", "not of the form key=value"),
        ("-o search.beam_size=4 --beam 3", "contradict each other; give one of them"),
        (
            "-o search.num_beam_groups=2",
            "num_beam_groups: 2 does not divide beam_size: 3",
        ),
        ("-o search.sampling.top_k=3", "would change nothing, since search.method is"),
        ("-o search.method=sample --beam 3", "so --beam 3 would change nothing"),
        (
            "--mbr-samples 3 --beam 3",
            "--mbr-samples draws samples, so --beam 3 would change nothing",
        ),
        ("--mbr-samples 3 --n-best 4", "need as many samples, but there are 3"),
        ("--mbr-metric bleu", "--mbr-metric is for --mbr-samples N"),
        ("--constraints", "standard input is text, but --constraints reads keys"),
    ],
)
def test_contradictory_options_are_named(run: Path, more: str, says: str) -> None:
    out, error = call("translate", run, *more.split(), text=b"A dog.\n")
    assert says in error
    assert out == ""


def test_scores_of_another_search_are_not_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, reference = tmp_path / "en", tmp_path / "de"
    source.write_text("A dog.\nThe cat.\n", encoding="utf-8")
    reference.write_text("Ein Hund.\nDie Katze.\n", encoding="utf-8")
    files = ("--source", source, "--reference", reference, "--json")
    greedy = call("evaluate", run, *files, "-o", "search.beam_size=1")[0]
    assert greedy == call("evaluate", run, *files, "--beam", "1")[0]
    assert greedy != call("evaluate", run, *files)[0]

    pairs = [
        SentencePair("A dog.", "Ein Hund."),
        SentencePair("The cat.", "Die Katze."),
    ]
    monkeypatch.setattr("seq2seq.evaluation.evaluate.load_eval_pairs", lambda *_: pairs)
    assert call("evaluate", run, "--json", "-o", "search.beam_size=1")[0]
    assert not (run / "evaluation").exists()


def test_a_sweep_is_a_table_and_a_picture(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    sources = LINES[:4]
    references = [german for _, german in phrase_pairs("train", count=4)]
    cells = list(
        search_sweep(run, sources, references, beams=[1, 3], penalties=[0.0, 1.0])
    )
    assert [(c.beam_size, c.length_penalty) for c in cells] == [
        (1, 0.0),
        (1, 1.0),
        (3, 0.0),
        (3, 1.0),
    ]
    assert (cells[0].bleu, cells[0].seconds) == (cells[1].bleu, cells[1].seconds)
    score = bleu_metric("de").corpus_score(translator(sources), [references])
    assert cells[3].bleu == score.score
    assert cells[3].length_ratio == score.sys_len / score.ref_len
    for name in ("one.svg", "two.svg", "three.png"):
        plot_search_sweep(cells, tmp_path / name, title="$1 < 2$")
    drawn = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "two.svg").read_text(encoding="utf-8")
    assert "<!-- beam 3 -->" in drawn
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--search-sweep", "a.jpg"], "a figure's name must end in .svg"),
        (["--search-sweep", "a.svg", "--beam", "2"], "does not go with"),
        (
            ["--search-sweep", "a.svg", "-o", "search.method=sample"],
            "have no beam to sweep",
        ),
        (["--search-sweep", "a.svg", "--source", "x"], "belong together; give both"),
    ],
)
def test_unsupported_sweeps_are_refused(
    run: Path, more: list[str], says: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seq2seq.evaluation.evaluate.load_eval_pairs", lambda *_: [])
    assert says in call("evaluate", run, *more)[1]
    assert not list(tmp_path.iterdir())


def test_beam_and_override_may_say_the_same(run: Path, translator: Translator) -> None:
    more = ("--beam", "2", "-o", "search.beam_size=2")
    out, error = call("translate", run, *more, text="\n".join(LINES).encode())
    assert (lines_of(out), error) == (translator(LINES, beam_size=2), "")


def test_coverage_needs_attention_and_says_so(tmp_path: Path) -> None:
    blind = make_run(tmp_path / "blind", attention={"kind": "none"})
    more = ("-o", "search.coverage_penalty=0.2")
    assert "needs model.attention" in call("translate", blind, *more, text=b"A.\n")[1]


# Minimum Bayes risk -------------------------------------------------------------------


def test_the_best_of_one_sample_is_the_sample(translator: Translator) -> None:
    drawn = {"method": "sample", "sampling": {"epsilon_cutoff": EPSILON}}
    search = SearchOptions.model_validate(translator.recipe.search.model_dump() | drawn)
    expected = translator(LINES, options=TranslationOptions(search=search))
    assert translator(LINES, options=TranslationOptions(mbr_samples=1)) == expected
    assert translator(LINES, options=TranslationOptions(mbr_samples=20)) != expected


@pytest.mark.parametrize("mbr_metric", ["chrf", "bleu"])
def test_the_best_of_many_samples_does_not_depend_on_batches(
    translator: Translator, mbr_metric: Any
) -> None:
    options = [
        TranslationOptions(mbr_samples=9, mbr_metric=mbr_metric, batch_size=size)
        for size in (1, 7, 64)
    ]
    one, *others = [translator(LINES, options=chosen) for chosen in options]
    assert others == [one, one]


def test_the_most_like_all_samples_comes_first(translator: Translator) -> None:
    drawn = translator.translate_batch(
        LINES, TranslationOptions(mbr_samples=12, n_best=12)
    )
    best = translator(LINES, options=TranslationOptions(mbr_samples=12))
    assert [translation.translation for translation in drawn] == best
    for translation in drawn:
        scores = [hypothesis.score for hypothesis in translation.n_best]
        texts = [hypothesis.translation for hypothesis in translation.n_best]
        assert scores == sorted(scores, reverse=True)
        assert len(set(texts)) == len(texts)
        assert all(0 <= score <= 100 + 1e-9 for score in scores)
    assert any(len(translation.n_best) > 3 for translation in drawn)


# Damage -------------------------------------------------------------------------------


def test_damaged_lines_are_counted_or_refused(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"A dog.\n\xff\xfe A cat.\n\nA \xe9.\n")
    out, warnings = call("translate", run, source)
    mended = ["A dog.", "\ufffd\ufffd A cat.", "", "A \ufffd."]
    assert lines_of(out) == Translator.load(run)(mended)
    assert warnings.startswith("2 lines were not UTF-8")
    assert f"the first is {source}:2." in warnings
    for more in ([], ["--output", output]):
        out, warnings = call("translate", run, source, "--strict-utf8", *more)
        assert f"{source}:2: byte 0xff at position 1 is not UTF-8" in warnings
        assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_half_a_surrogate_pair_is_damage(run: Path) -> None:
    text = b'{"en": "A dog."}\n{"en": "a \\ud800"}\n'
    more = ("--field", "en", "--input-format", "jsonl")
    out, warnings = call("translate", run, *more, text=text)
    assert len(lines_of(out)) == 2
    assert "1 line was not UTF-8" in warnings
    error = call("translate", run, *more, "--strict-utf8", text=text)[1]
    assert "standard input:2: the text holds half a surrogate pair" in error


def test_strict_says_nothing_of_whole_lines(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("\n".join(LINES), encoding="utf-8")
    assert call("translate", run, source, "--strict-utf8") == call(
        "translate", run, source
    )


# The page -----------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "translate.md"


def code_blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_the_pages_commands_are_understood() -> None:
    text = "".join(code_blocks("sh")).replace("\\\n", " ").replace("|\n", "| ")
    lines = [line.split("#")[0].split("|")[-1].strip() for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("seq2seq ")]
    assert len(commands) > 20
    group = typer.main.get_command(app)
    for line in commands:
        verb, *rest = shlex.split(line)[1:]
        group.commands[verb].make_context(verb, rest)  # type: ignore[attr-defined]


def test_the_pages_python_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(make_run(tmp_path / "runs" / "quickstart"))
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("\n".join(LINES), encoding="utf-8")
    blocks = code_blocks("python")
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
    text = Path("out.jsonl").read_bytes()
    records = [json.loads(line) for line in lines_of(text)]
    assert [record["source"] for record in records] == LINES
    assert [record["translation"] for record in records] == translator(LINES)
    assert max(len(record["n_best"]) for record in records) == 3
