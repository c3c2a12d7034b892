"""Lines of several sentences are translated sentence by sentence, and joined."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.data.sentences import split_sentences
from seq2seq.errors import UserError
from seq2seq.translate import TranslationOptions, TranslationRequest, Translator
from seq2seq.translate.input_splitting import target_gap
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call, hostile_lines, lines_of

SENTENCES = [pair[0] for pair in phrase_pairs("test", count=100)]
KEEP = TranslationOptions(sentences="keep")


def test_two_sentences_on_a_line_equal_the_two_single_translations(
    translator: Translator,
) -> None:
    single = translator(SENTENCES)
    assert single == translator(SENTENCES, options=KEEP)
    lines = [f"{a} {b}" for a, b in pairwise(SENTENCES)]
    expected = [f"{a} {b}" if a and b else a or b for a, b in pairwise(single)]
    assert translator(lines) == expected
    assert translator(lines, options=KEEP) != expected


@settings(max_examples=30, deadline=None)
@given(hostile_lines)
def test_lines_of_one_sentence_are_unchanged(
    translator: Translator, lines: list[str]
) -> None:
    lines = [line for line in lines if len(split_sentences(line, "en")) == 1]
    options = translator.with_beam_size(TranslationOptions(), 1)
    kept = translator.with_beam_size(KEEP, 1)
    assert translator(lines, options=options) == translator(lines, options=kept)


@pytest.mark.parametrize("gap", [" ", "  ", "\t", "\xa0", "\n", "\u2028", "\r\n"])
def test_sentences_are_joined_with_the_white_space_between_them(
    translator: Translator, gap: str
) -> None:
    first, second = translator(["A dog.", "The cat."])
    # A line break, of one character or two, is a blank.
    expected = " " if gap in ("\n", "\u2028", "\r\n") else gap
    assert translator([f" A dog.{gap}The cat.  "]) == [first + expected + second]


@pytest.mark.parametrize(
    ("gap", "source", "target", "expected"),
    [
        ("  ", "en", "de", "  "),
        ("", "en", "de", ""),
        (" ", "en", "zh_CN", ""),
        ("", "ja", "en", " "),
        ("　", "ja", "en", " "),
        ("　", "ja", "zh", "　"),
        ("", "zh", "ja", ""),
        *[(" ", "eng_Latn", code, "") for code in ("th", "lo", "km", "my", "jpn_Jpan")],
    ],
)
def test_white_space_between_sentences_is_that_of_the_target_language(
    gap: str, source: str, target: str, expected: str
) -> None:
    assert target_gap(gap, source, target) == expected


def test_a_sentence_that_is_too_long_is_split_or_truncated_by_itself(
    translator: Translator,
) -> None:
    long = "The man sees a dog, the man sees a dog, and the cat sleeps."
    limit = len(translator.source.encode(["The man sees a dog,"])[0])
    options = TranslationOptions(max_input_length=limit)
    line, alone = translator.translate_batch([f"A dog. {long} No.", long], options)
    assert (line.num_sentences, alone.num_sentences) == (3, 1)
    assert line.num_segments == alone.num_segments + 2 > 4
    short = translator(["A dog.", "No."])
    assert line.translation == f"{short[0]} {alone.translation} {short[1]}"
    truncate = TranslationOptions(max_input_length=limit, long_input="truncate")
    cut, cut_alone = translator.translate_batch([f"A dog. {long} No.", long], truncate)
    assert cut.translation == f"{short[0]} {cut_alone.translation} {short[1]}"
    assert cut.truncated
    assert cut.num_segments == 3


def test_alignments_and_n_best_lists_are_those_of_the_sentences(
    translator: Translator,
) -> None:
    options = TranslationOptions(align=True, n_best=2)
    *single, both = translator.translate_batch(
        ["A dog sleeps.", "The cat.", "A dog sleeps. The cat."], options
    )
    links = [t.alignment.links() for t in (*single, both) if t.alignment]
    source = 3
    target = len(single[0].translation.split())
    assert links[2] == links[0] + [(s + source, t + target) for s, t in links[1]]
    # The best two of four combinations.
    pairs = product(*(t.n_best for t in single))
    ranks = sorted(pairs, key=lambda pair: -sum(h.score for h in pair))[:2]
    assert [h.translation for h in both.n_best] == [
        f"{a.translation} {b.translation}" for a, b in ranks
    ]
    assert [h.score for h in both.n_best] == pytest.approx(
        [(a.score + b.score) / 2 for a, b in ranks]
    )
    assert both.n_best[0].score >= both.n_best[1].score


def test_samples_of_a_line_are_samples_of_its_sentences(translator: Translator) -> None:
    search = translator.recipe.search.model_copy(
        update={"method": "sample", "beam_size": 1}
    )
    options = TranslationOptions(search=search, n_best=4)
    first, second, both = translator.translate_batch(
        ["A dog sleeps.", "The cat.", "A dog sleeps. The cat."], options
    )
    assert [h.translation for h in both.n_best] == [
        f"{a.translation} {b.translation}"
        for a, b in zip(first.n_best, second.n_best, strict=True)
    ]


def test_alignments_count_the_words_of_the_line(translator: Translator) -> None:
    options = TranslationOptions(align=True)
    line = "A dog sleeps.The cat. We go."
    (translation,) = translator.translate_batch([line], options)
    assert translation.num_segments == 3
    assert translation.alignment is not None
    words = ("A", "dog", "sleeps.The", "cat.", "We", "go.")
    assert translation.alignment.source == words
    assert list(translation.alignment.target) == translation.translation.split()


LINE = "A dog sleeps. The cat."


def test_a_prefix_holds_in_the_first_sentence_and_forbidden_phrases_in_all(
    translator: Translator,
) -> None:
    first, second = translator(["A dog sleeps.", "The cat."])
    request = TranslationRequest(LINE, prefix="Die")
    (text,) = translator([request])
    assert not first.startswith("Die")
    assert text.startswith("Die")
    assert text.endswith(f" {second}")
    for part in (first, second):
        assert part[:2] in translator([LINE])[0]
        (text,) = translator([replace(request, forbidden=(part[:2],))])
        assert text.startswith("Die")
        assert part[:2] not in text


def test_a_forbidden_phrase_may_not_span_two_sentences(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TranslationOptions(n_best=3)
    best, *others = translator.translate_batch([LINE], options)[0].n_best
    single = translator(["A dog sleeps.", "The cat."])
    spanning = f"{single[0][-3:]} {single[1][:3]}"
    assert spanning in best.translation
    assert any(spanning not in other.translation for other in others)
    request = TranslationRequest(LINE, forbidden=(spanning,))
    (avoided,) = translator.translate_batch([request], options)
    assert avoided.translation == next(
        h.translation for h in others if spanning not in h.translation
    )
    assert translator([request]) == [avoided.translation]
    monkeypatch.setattr("seq2seq.translate.line_hypotheses.MAX_COMBINATIONS", 1)
    with pytest.raises(UserError, match=r"no translation was found that avoids"):
        translator([request])


@pytest.mark.parametrize(
    ("constraints", "reason"),
    [
        ({"required": ("Hund",)}, "in 2 segments, and which of them is to contain"),
        ({"prefix": "Der Hund. Die Katze"}, "its prefix has more than one sentence"),
    ],
)
def test_constraints_of_no_certain_sentence_are_refused(
    translator: Translator, constraints: dict[str, Any], reason: str
) -> None:
    request = TranslationRequest(LINE, **constraints, location="in.jsonl:7")
    with pytest.raises(UserError, match=f"^in.jsonl:7: .*{reason}.*--sentences keep"):
        translator([request])
    assert translator([request], options=KEEP)[0]


@pytest.mark.parametrize(
    ("kept", "multi_sentence", "default", "reason"),
    [
        (10_000, 1, "split", "sentence by sentence, since 0.01% of the training's"),
        (100, 4, "split", "sentence by sentence, since 4.00% of the training's"),
        (100, 5, "keep", "whole, since 5.00% of the training's lines do; --sentences "),
        (0, 0, "split", "since the run does not say how many of the training's"),
        (None, 0, "split", "since the run does not say how many of the training's"),
    ],
)
def test_the_training_data_decides_and_the_command_says_so(
    tmp_path: Path, kept: int | None, multi_sentence: int, default: str, reason: str
) -> None:
    run = make_run(tmp_path / "run")
    if kept is not None:
        counts = {"train": {"kept": kept, "multi_sentence": multi_sentence}}
        (run / "data.json").write_text(json.dumps(counts))
    translator = Translator.load(run)
    assert translator.default_sentences == default
    text = f"{LINE}\nA dog.\n{LINE}\n"
    outputs = {
        option: call("translate", run, "--sentences", option, text=text.encode())
        for option in ("split", "keep")
    }
    out, message = call("translate", run, text=text.encode())
    assert (
        out
        == outputs[default][0]
        != outputs["keep" if default == "split" else "split"][0]
    )
    assert lines_of(out) == translator(lines_of(text))
    assert message.startswith("2 of 3 lines hold several sentences and were translated")
    assert reason in message
    assert message.count("\n") == 1
    assert outputs["split"][1] == outputs["keep"][1] == ""
    assert call("translate", run, text=b"A dog.\n\n")[1] == ""


def test_an_average_knows_what_its_runs_know(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "data.json").write_text('{"train": {"kept": 8, "multi_sentence": 2}}')
    call("average", run, run, "--output", tmp_path / "mean")
    assert Translator.load(tmp_path / "mean").multi_sentence_share == 0.25
    outputs = [
        call("translate", folder, text=f"{LINE}\n".encode())
        for folder in (run, tmp_path / "mean")
    ]
    assert outputs[0] == outputs[1]
    assert "whole, since 25.00% of the training's lines do" in outputs[1][1]


def test_only_split_and_keep_are_options() -> None:
    with pytest.raises(UserError, match="sentences is 'no', but must be split or keep"):
        TranslationOptions(sentences="no")  # type: ignore[arg-type]


def test_lines_stay_lines(translator: Translator) -> None:
    lines = [f"{a}\u2028{b}\x85{a}\x0b {b}" for a, b in pairwise(LINES)]
    texts = translator(lines)
    assert len(texts) == len(lines)
    assert all(len(text.splitlines()) <= 1 for text in texts)
