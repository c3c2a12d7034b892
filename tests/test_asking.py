"""What a line or a command asks of translations, and that they are so."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_translate import LINES, call, lines_of
from translators import make_run, tokenizer

from seq2seq.cli import app
from seq2seq.recipe import SearchOptions
from seq2seq.scores import bleu_metric
from seq2seq.search.spelling import Spellings
from seq2seq.structures import UNK
from seq2seq.sweep import draw, sweep
from seq2seq.text.corpus import Pair
from seq2seq.text.phrasebook import phrase_pairs
from seq2seq.translate import Options, Request, Translator
from seq2seq.translate.letters import LETTERS_AT_MOST, letter_counts, spelling
from seq2seq.translate.risk import EPSILON
from seq2seq.translate.wishes import understand

GERMAN = [pair[1] for pair in phrase_pairs("train", count=60)]
WORDS = sorted({word for line in GERMAN for word in line.split()})
SPELT = [piece.replace("▁", " ") for piece in tokenizer().pieces(range(200))]
SPELT[UNK] = " ⁇ "


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run)


# How pieces are chosen ----------------------------------------------------------------


def test_an_override_is_what_python_says(run: Path, translator: Translator) -> None:
    plain = translator.recipe.search
    for changed in (
        {"beam_size": 4, "groups": 2, "diversity": 2.0},
        {"length_penalty": 0.2, "length_penalty_kind": "gnmt", "coverage_penalty": 0.4},
        {"no_repeat_ngram": 1, "allow_unknown": False, "min_length_ratio": 0.9},
        {"method": "sample"},
    ):
        search = SearchOptions.model_validate(plain.model_dump() | changed)
        expected = translator(LINES, options=Options(search=search))
        overrides = [f"search.{key}={value}".lower() for key, value in changed.items()]
        assert Translator.load(run, overrides=overrides)(LINES) == expected
        more = [word for each in overrides for word in ("-o", each)]
        out, _ = call("translate", run, *more, text="\n".join(LINES).encode())
        assert lines_of(out) == expected
        assert expected != translator(LINES)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("-o serach.method=sample", "serach: unknown key, did you mean 'search'?"),
        ("-o search.metod=sample", "search.metod: unknown key, did you mean 'method'?"),
        ("-o search.method=greedy", "'greedy' is not one of 'beam', 'sample'"),
        ("-o model.dropout=0.1", "a trained run keeps all but how it searches"),
        ("-o search.beam_size", "not of the form key=value"),
        ("-o search.beam_size=4 --beam 3", "contradict each other; give one of them"),
        ("-o search.groups=2", "groups: 2 does not divide beam_size: 3"),
        ("-o search.sampling.top_k=3", "would change nothing, since search.method is"),
        ("-o search.method=sample --beam 3", "so --beam 3 would change nothing"),
        ("--mbr 3 --beam 3", "--mbr draws samples, so --beam 3 would change nothing"),
        ("--mbr 3 --n-best 4", "need as many samples, but there are 3"),
        ("--utility bleu", "--utility is for --mbr N"),
        ("--constraints", "standard input is text, but --constraints reads keys"),
    ],
)
def test_what_cannot_be_asked_is_said(run: Path, more: str, says: str) -> None:
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

    pairs = [Pair("A dog.", "Ein Hund."), Pair("The cat.", "Die Katze.")]
    monkeypatch.setattr("seq2seq.evaluate.scored_pairs", lambda *_: pairs)
    assert call("evaluate", run, "--json", "-o", "search.beam_size=1")[0]
    assert not (run / "evaluation").exists()


def test_a_sweep_is_a_table_and_a_picture(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    sources, references = LINES[:4], GERMAN[:4]
    cells = list(sweep(run, sources, references, beams=[1, 3], penalties=[0.0, 1.0]))
    assert [(c.beam_size, c.length_penalty) for c in cells] == [
        (1, 0.0),
        (1, 1.0),
        (3, 0.0),
        (3, 1.0),
    ]
    assert (cells[0].bleu, cells[0].seconds) == (cells[1].bleu, cells[1].seconds)
    found = bleu_metric("de").corpus_score(translator(sources), [references])
    assert cells[3].bleu == found.score
    assert cells[3].length_ratio == found.sys_len / found.ref_len
    for name in ("one.svg", "two.svg", "three.png"):
        draw(cells, tmp_path / name, title="$1 < 2$")
    drawn = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "two.svg").read_text(encoding="utf-8")
    assert "<!-- beam 3 -->" in drawn
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--sweep", "a.jpg"], "a picture's name must end in .svg"),
        (["--sweep", "a.svg", "--beam", "2"], "does not go with"),
        (["--sweep", "a.svg", "-o", "search.method=sample"], "have no beam to sweep"),
        (["--sweep", "a.svg", "--source", "x"], "belong together; give both"),
    ],
)
def test_what_cannot_be_swept_is_said(
    run: Path, more: list[str], says: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seq2seq.evaluate.scored_pairs", lambda *_: [])
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
    drawn = {"method": "sample", "sampling": {"epsilon": EPSILON}}
    search = SearchOptions.model_validate(translator.recipe.search.model_dump() | drawn)
    expected = translator(LINES, options=Options(search=search))
    assert translator(LINES, options=Options(mbr=1)) == expected
    assert translator(LINES, options=Options(mbr=20)) != expected


@pytest.mark.parametrize("utility", ["chrf", "bleu"])
def test_the_best_of_many_samples_does_not_depend_on_batches(
    translator: Translator, utility: Any
) -> None:
    options = [Options(mbr=9, utility=utility, batch=batch) for batch in (1, 7, 64)]
    one, *others = [translator(LINES, options=each) for each in options]
    assert others == [one, one]


def test_the_most_like_all_samples_comes_first(translator: Translator) -> None:
    drawn = translator.window(LINES, Options(mbr=12, n_best=12))
    best = translator(LINES, options=Options(mbr=12))
    assert [each.text for each in drawn] == best
    for each in drawn:
        scores = [candidate.score for candidate in each.candidates]
        texts = [candidate.text for candidate in each.candidates]
        assert scores == sorted(scores, reverse=True)
        assert len(set(texts)) == len(texts)
        assert all(0 <= score <= 100 + 1e-9 for score in scores)
    assert any(len(each.candidates) > 3 for each in drawn)


# Constraints --------------------------------------------------------------------------


def occurs(phrase: str, text: str) -> bool:
    """What a required phrase means, without the code that is tested."""
    padded = f" {text} "
    bare = phrase.strip()
    for place in range(len(padded)):
        if padded.startswith(bare, place):
            before, after = padded[place - 1], padded[place + len(bare)]
            begins = not (bare[0].isalnum() and before.isalnum())
            ends = not (phrase.endswith(" ") and bare[-1].isalnum() and after.isalnum())
            if begins and ends:
                return True
    return False


phrases = st.one_of(
    st.sampled_from(WORDS),
    st.builds("{} {}".format, st.sampled_from(WORDS), st.sampled_from(WORDS)),
    st.builds("{} ".format, st.sampled_from([w for w in WORDS if w.isalpha()])),
)
short = st.one_of(
    st.sampled_from("aehinrstu "), st.text("aehinrstu", min_size=1, max_size=3), phrases
).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(short, min_size=1, max_size=4), st.integers(1, 3))
def test_forbidden_text_never_comes(
    translator: Translator, forbidden: list[str], n_best: int
) -> None:
    asked = Request(LINES[0], forbidden=tuple(forbidden))
    (found,) = translator.window([asked], Options(n_best=n_best))
    assert found.candidates
    for each in found.candidates:
        for phrase in forbidden:
            if phrase.endswith(" "):
                assert not re.search(rf"{re.escape(phrase.strip())}(?!\w)", each.text)
            else:
                assert phrase not in each.text


@settings(max_examples=30, deadline=None)
@given(st.lists(phrases, min_size=1, max_size=2), st.integers(1, 3))
def test_required_phrases_always_come(
    translator: Translator, required: list[str], n_best: int
) -> None:
    long = "The old man buys a red car and the woman reads a book."
    asked = Request(long, required=tuple(required))
    (found,) = translator.window([asked], Options(n_best=n_best))
    assert found.candidates
    for each in found.candidates:
        assert all(occurs(phrase, each.text) for phrase in required)


@settings(max_examples=40, deadline=None)
@given(phrases, short, st.booleans())
def test_a_prefix_comes_first_and_goes_with_the_rest(
    translator: Translator, prefix: str, forbidden: str, drawn: bool
) -> None:
    options = Options(mbr=3) if drawn else Options()
    assume(" ".join(forbidden.split()) not in prefix)
    asked = Request(LINES[0], prefix, (), (forbidden,))
    (text,) = translator([asked], options=options)
    assert text.startswith(prefix.strip())
    assert not (prefix.endswith(" ") and text[len(prefix) - 1 :][:1].isalnum())


def test_what_a_translation_holds_anyway_changes_nothing(
    translator: Translator,
) -> None:
    plain = translator(LINES[:1])[0]
    word = plain.split()[0]
    asked = Request(LINES[0], prefix=word, required=(word,), forbidden=("Xx",))
    assert translator([asked]) == [plain]


def test_requests_do_not_depend_on_what_is_beside_them(translator: Translator) -> None:
    mixed: list[str | Request] = []
    for number, line in enumerate(LINES * 4):
        word = WORDS[7 * number % len(WORDS)]
        avoided = ("e", "n ")[number % 2]
        if number % 3 == 0 or avoided.strip() in word or not line.strip("\0 "):
            mixed.append(line)
        elif number % 3 == 1:
            mixed.append(Request(line, forbidden=(avoided,)))
        else:
            mixed.append(Request(line, required=(word,), forbidden=(avoided,)))
    assert sum(isinstance(each, Request) for each in mixed) > 8
    assert any(isinstance(each, Request) and each.required for each in mixed)
    one, *others = (
        translator(mixed, options=Options(batch=batch)) for batch in (1, 7, 64)
    )
    assert others == [one, one]
    plain = translator(LINES * 4)
    for each, text, alone in zip(mixed, one, plain, strict=True):
        assert text == alone or isinstance(each, Request)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(4, 199), max_size=6),
    st.text("aehinrstuDW., ⁇", min_size=1, max_size=4).filter(str.strip),
    st.sampled_from(["", "begins", "ends", "both", "goes_on"]),
)
def test_a_piece_is_ruled_out_when_it_completes_the_text(
    said: list[int], text: str, marks: str
) -> None:
    text = text.strip()
    begins, ends = marks in ("begins", "both"), marks in ("ends", "both")
    goes_on = marks == "goes_on"
    one = spelling(tokenizer(), text, begins=begins, ends=ends, goes_on=goes_on)
    every = Spellings.of([[one], []], letter_counts(tokenizer()))
    assert every is not None
    out, free = every.completed_by(torch.tensor([said, said])[:, : len(said)].long())
    shape = re.escape(text)
    if begins and re.match(r"\w", text):
        shape = r"(?<!\w)" + shape
    if ends and re.match(r"\w", text[-1]):
        shape += r"(?!\w)"
    found = re.compile(shape + (r"\w" if goes_on else ""))
    before = "".join(SPELT[piece] for piece in said)
    expected = {
        piece
        for piece, spelt in enumerate(SPELT)
        for place in range(len(before + spelt))
        if (match := found.match(before + spelt, place)) and match.end() > len(before)
    }
    assert set(out.tolist()) - {0} == expected - {0}
    assert set(free.tolist()) <= {0}


def test_long_texts_are_forbidden_by_their_beginning() -> None:
    text = "ein " * 40
    ids = tokenizer().encode([text])[0]
    some = Spellings.of([[spelling(tokenizer(), text)]], letter_counts(tokenizer()))
    assert some is not None
    out = [
        ids[at] in some.completed_by(torch.tensor([ids[:at]])) for at in range(len(ids))
    ]
    letters = "".join(SPELT[piece] for piece in ids[: out.index(True) + 1])
    assert len(letters) - 1 in range(LETTERS_AT_MOST, LETTERS_AT_MOST + 6)


def test_languages_without_blanks_have_phrases_within_text() -> None:
    asked = Request("x", required=("Hund",))
    within = understand(asked, tokenizer(), spaced=False)
    word = understand(asked, tokenizer(), spaced=True)
    spelt = tokenizer().pieces(within.required[0])
    assert "".join(spelt) == "Hund"
    assert "".join(tokenizer().pieces(word.required[0])) == "▁Hund"
    assert (within.fault("aHunde"), bool(word.fault("aHunde"))) == ("", True)


def objects(*each: dict[str, Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in each).encode()


JSONL = ("--field", "en", "--constraints", "--input-format", "jsonl")


def test_objects_ask_each_for_itself(run: Path) -> None:
    text = objects(
        {"en": "A dog sleeps.", "prefix": "Der"},
        {"en": "A dog sleeps.", "required": ["Katze"], "forbidden": None},
        {"en": "A dog sleeps."},
        {"en": "", "forbidden": ["Hund"]},
    )
    first, second, third, blank = lines_of(call("translate", run, *JSONL, text=text)[0])
    assert first.startswith("Der")
    assert "Katze" in second
    assert (third, blank) == (Translator.load(run)(["A dog sleeps."])[0], "")
    # Without --constraints they are keys like others.
    plain = call("translate", run, "--field", "en", *JSONL[3:], text=text)[0]
    assert lines_of(plain) == [third, third, third, ""]


@pytest.mark.parametrize(
    ("asked", "more", "says"),
    [
        ({"required": "Hund"}, "", "must be a list of texts, such as"),
        ({"forbidden": [1]}, "", "must be a list of texts, such as"),
        ({"prefix": ["Der"]}, "", "'prefix' must be a text"),
        ({"required": [" "]}, "", "a required phrase is blank"),
        ({"required": ["你"]}, "", "has no pieces for some of its letters"),
        ({"required": ["der Mann " * 20]}, "", "pieces, but the translation of this"),
        ({"prefix": "der Mann " * 20}, "", "pieces, but the translation of this line"),
        (
            {"required": ["Hund"], "forbidden": ["und"]},
            "",
            "'und' is forbidden, but stands in 'Hund'",
        ),
        ({"required": ["Hund"]}, "-o search.method=sample", "use beam search"),
        ({"required": ["Hund"]}, "--mbr 2", "use beam search"),
        (
            {"required": ["Hund"]},
            "-o search.beam_size=4 -o search.groups=2",
            "use one of them",
        ),
        ({"prefix": "Der"}, "--replace-unknown", "leave out --replace-unknown"),
        ({"prefix": "Der"}, "--max-length 2", "raise --max-length or split it"),
        ({"en": " ", "prefix": "Der"}, "", "a blank line has a blank translation"),
    ],
)
def test_what_cannot_be_met_is_one_line_with_its_place(
    run: Path, tmp_path: Path, asked: dict[str, Any], more: str, says: str
) -> None:
    text = objects({"en": "A cat."}, {"en": "A dog sleeps.", **asked})
    output = tmp_path / "out"
    error = call("translate", run, *JSONL, *more.split(), "--output", output, text=text)
    assert says in error[1]
    assert error[1].startswith("standard input:2: ")
    assert "\n" not in error[1]
    assert not output.exists()


# Damage -------------------------------------------------------------------------------


def test_damaged_lines_are_counted_or_refused(run: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"A dog.\n\xff\xfe A cat.\n\nA \xe9.\n")
    out, said = call("translate", run, source)
    mended = ["A dog.", "\ufffd\ufffd A cat.", "", "A \ufffd."]
    assert lines_of(out) == Translator.load(run)(mended)
    assert said.startswith("2 lines were not UTF-8")
    assert f"the first is {source}:2." in said
    for more in ([], ["--output", output]):
        out, said = call("translate", run, source, "--strict", *more)
        assert f"{source}:2: byte 0xff at position 1 is not UTF-8" in said
        assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_half_a_surrogate_pair_is_damage(run: Path) -> None:
    text = b'{"en": "A dog."}\n{"en": "a \\ud800"}\n'
    more = JSONL[:2] + JSONL[3:]
    out, said = call("translate", run, *more, text=text)
    assert len(lines_of(out)) == 2
    assert "1 line was not UTF-8" in said
    said = call("translate", run, *more, "--strict", text=text)[1]
    assert "standard input:2: the text holds half a surrogate pair" in said


def test_strict_says_nothing_of_whole_lines(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("\n".join(LINES), encoding="utf-8")
    assert call("translate", run, source, "--strict") == call("translate", run, source)


# The page -----------------------------------------------------------------------------


def test_the_pages_commands_are_understood() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "translate.md"
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    lines = "".join(blocks).replace("\\\n", " ").replace("|\n", "| ").splitlines()
    found = [line.split("#")[0].split("|")[-1].strip() for line in lines]
    commands = [line for line in found if line.startswith("seq2seq ")]
    assert len(commands) > 20
    group = typer.main.get_command(app)
    for line in commands:
        verb, *rest = shlex.split(line)[1:]
        group.commands[verb].make_context(verb, rest)  # type: ignore[attr-defined]
