"""Words, errors, buckets, examples and comparisons on lines made for them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.evaluation.buckets import (
    LENGTH_EDGES,
    bucket_scores,
    min_word_frequency,
    range_labels,
    score_histogram,
    select_examples,
    word_counts,
    word_f1,
)
from seq2seq.evaluation.comparison import compare_systems, group_seeds, salient_ngrams
from seq2seq.evaluation.error_detectors import (
    RULES,
    comparability_warnings,
    detect_errors,
    has_repetition,
)
from seq2seq.evaluation.model_analysis import pca_2d
from seq2seq.evaluation.summary import (
    escape_control_chars,
    format_p_value,
    format_signed,
)
from seq2seq.evaluation.systems import ReportRequest, parse_system_arg, read_systems
from seq2seq.evaluation.training_history import format_duration
from seq2seq.evaluation.words import diff_spans, words
from seq2seq.metrics.sacrebleu_scores import MetricResult, bleu_metric, score_segments


def test_words_are_runs_of_letters_and_single_characters() -> None:
    assert words("Er ging's an: 3,5 km!") == [
        *("Er", "ging's", "an", ":", "3", ",", "5", "km", "!")
    ]
    assert words("我们 read ひらがな") == ["我", "们", "read", *"ひらがな"]
    assert words(" \t ") == []


@given(st.text(alphabet="ab .,我\u202e", max_size=30), st.text("ab .我", max_size=30))
def test_marked_parts_join_to_the_line(line: str, other: str) -> None:
    assert "".join(part.text for part in diff_spans(line, other)) == line
    assert not any(part.differs for part in diff_spans(line, line))


def test_words_that_differ_are_marked_with_what_lies_between() -> None:
    parts = diff_spans("der rote Hund schläft", "der alte Kater schläft")
    assert [(part.text, part.differs) for part in parts] == [
        ("der ", False),
        ("rote Hund", True),
        (" schläft", False),
    ]


@pytest.mark.parametrize(
    ("hypothesis", "reference", "source", "kinds"),
    [
        ("Er geht nach Hause.", "Er geht heim.", "He goes home.", []),
        ("  ", "Er geht.", "He goes.", ["empty"]),
        ("Er geht geht.", "Er geht.", "He goes.", ["repeated"]),
        ("in der Stadt in der Stadt.", "in der Stadt.", "in town.", ["repeated"]),
        ("sehr sehr gut.", "sehr sehr gut.", "very very good.", []),
        ("He goes home now.", "Er geht jetzt heim.", "He goes home now.", ["copied"]),
        ("Berlin, Paris, London.", "Berlin, Paris, London.", "Berlin, Paris.", []),
        ("Er geht", "Er geht.", "He goes.", ["cut off"]),
        ("Er geht", "Er geht", "He goes", []),
        ("Er " + " ".join(map(str, range(9))) + ".", "Er.", "He.", ["over-long"]),
        ("Er.", "Er geht heute sehr früh nach Hause zurück.", "He.", ["too short"]),
        ("Er ⁇.", "Er geht.", "He goes.", ["unknown"]),
    ],
)
def test_errors_are_detected_where_they_are(
    hypothesis: str, reference: str, source: str, kinds: list[str]
) -> None:
    errors = detect_errors([hypothesis], [[reference]], [source])
    assert list(errors) == list(RULES)
    assert [kind for kind, numbers in errors.items() if numbers == [1]] == kinds


def test_a_second_reference_excuses_what_it_has() -> None:
    references = [["sehr gut."], ["sehr sehr gut."]]
    assert detect_errors(["sehr sehr gut."], references, [])["repeated"] == []


def test_dots_in_a_row_are_no_repetition() -> None:
    assert not has_repetition([".", ".", "."])
    assert has_repetition(["a", "b", "c", "a", "b", "c"])


def test_text_that_was_not_written_so_is_noticed() -> None:
    natural = [f"Der Hund Nummer {number} schläft." for number in range(30)]
    assert comparability_warnings("x", natural) == []
    assert (
        "look tokenised"
        in comparability_warnings("x", [line[:-1] + " ." for line in natural])[0]
    )
    assert (
        "look lower-cased"
        in comparability_warnings("x", [line.lower() for line in natural])[0]
    )
    assert (
        "subword"
        in comparability_warnings("x", ["▁Der ▁Hund Nr " + line for line in natural])[0]
    )
    assert comparability_warnings("x", ["我们在北京。"] * 30) == []


def test_ranges_are_named_by_what_they_hold() -> None:
    assert range_labels((5, 10)) == ["1-5", "6-10", "11 and more"]
    assert range_labels((0, 4, 19)) == ["0", "1-4", "5-19", "20 and more"]


def measured() -> tuple[list[str], list[str], MetricResult]:
    references = ["a b c d e f", "a b c d", "g h i j k l m n", "o p q r s t u"]
    hypotheses = ["a b c d x f", "a b c d", "g h i j", "o p q r s t u"]
    return (
        hypotheses,
        references,
        score_segments(hypotheses, [references], language="de").bleu,
    )


def test_a_range_scores_what_its_sentences_score_alone() -> None:
    hypotheses, references, bleu = measured()
    buckets = bucket_scores(bleu, word_counts(references), LENGTH_EDGES)
    assert [(bucket.label, bucket.segments) for bucket in buckets] == [
        ("1-5", 1),
        ("6-10", 3),
    ]
    rows = [0, 2, 3]
    alone = bleu_metric("de").corpus_score(
        [hypotheses[row] for row in rows], [[references[row] for row in rows]]
    )
    assert buckets[1].score == pytest.approx(alone.score)
    assert buckets[1].interval.low <= buckets[1].score <= buckets[1].interval.high


def test_rarity_is_the_rarest_words() -> None:
    counts = Counter({"the": 100, "dog": 7, ".": 90})
    assert min_word_frequency(["the dog.", "the cat.", ""], counts) == [7, 0, 0]


def test_word_f1_counts_by_frequency_in_training() -> None:
    counts = Counter({"der": 5000, "Hund": 7})
    buckets = word_f1(["der der Hund Rex"], ["der Hund Max"], counts)
    by_label = {bucket.label: bucket for bucket in buckets}
    assert set(by_label) == {"0", "5-19", "1000 and more"}
    assert by_label["0"].f1 == 0
    assert by_label["5-19"].f1 == 1
    often = by_label["1000 and more"]
    assert (often.precision, often.recall, often.words) == (0.5, 1.0, 1)
    assert often.f1 == pytest.approx(2 / 3)


def test_every_sentence_is_in_the_histogram() -> None:
    histogram = score_histogram([0, 9.99, 10, 55, 100, 100.00000001])
    assert [count for _, count in histogram] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]


def test_five_different_examples_with_their_reasons() -> None:
    scores = [float(number) for number in range(50)]
    sizes = [number % 13 for number in range(50)]
    examples = select_examples(scores, sizes, None, errors=[31, 21])
    assert len({example.segment for example in examples}) == 5
    by_reason = {example.reason: example.segment for example in examples}
    assert by_reason["a typical one: the middle score"] == 26
    assert by_reason["the lowest score"] == 1
    assert by_reason["a detected error"] == 21
    assert by_reason["the longest source"] == 13
    assert select_examples([1.0], [1], [0], [])[0].segment == 1
    assert len(select_examples([1.0], [1], [0], [])) == 1


def test_ngrams_that_one_gets_and_the_other_misses() -> None:
    references = [["der rote Hund schläft"] * 3 + ["ein Kater"]]
    one = ["der rote Hund schläft"] * 3 + ["eine Katze"]
    other = ["der Hund schläft"] * 3 + ["ein Kater"]
    lost, gained = salient_ngrams((one, other), references)
    assert [(gram.baseline, gram.system) for gram in lost] == [(3, 0)]
    assert "rote" in lost[0].text
    assert [gram.text for gram in gained] == ["ein Kater"]


def test_wins_and_losses_add_up_and_the_greatest_come_first() -> None:
    references = [[f"Satz {number} ist hier ganz richtig." for number in range(9)]]
    one = [*references[0][:6], "falsch", "Satz", ""]
    other = [*references[0][:5], "", "Satz 6 ist hier ganz richtig.", "Satz 7 ist", "x"]
    both = [score_segments(lines, references, language="de") for lines in (one, other)]
    metrics = [{"bleu": results.bleu, "chrf": results.chrf} for results in both]
    comparison = compare_systems(
        ("one", "other"),
        (metrics[0], metrics[1]),
        (one, other),
        references,
        n_bootstrap=50,
        n_trials=50,
    )
    assert (comparison.wins, comparison.ties, comparison.losses) == (2, 6, 1)
    assert comparison.better == [7, 8]
    assert comparison.worse == [6]
    assert set(comparison.tests) == {"bleu", "chrf"}


def test_seeds_have_a_mean_and_a_spread() -> None:
    references = ["a b c d e", "f g h i j"]
    systems = {
        "s1": score_segments(references, [references], language="de"),
        "s2": score_segments(["a b c d e", ""], [references], language="de"),
    }
    metrics = {name: {"bleu": results.bleu} for name, results in systems.items()}
    (group,) = group_seeds({"s": ["s1", "s2"], "alone": ["s1"]}, metrics)
    one, two = 100.0, systems["s2"].bleu.score.score
    assert group.members == ["s1", "s2"]
    assert group.means["bleu"] == pytest.approx((one + two) / 2)
    assert group.spreads["bleu"] == pytest.approx(abs(one - two) / 2**0.5)


def test_what_steers_a_display_is_spelt() -> None:
    assert (
        escape_control_chars("a\u202eb\x1b\u200d\U000e0041")
        == "a⟨U+202E⟩b⟨U+001B⟩\u200d⟨U+E0041⟩"
    )
    assert format_signed(-1.234) == "−1.23"
    assert format_signed(-0.001) == "0.00"
    assert [format_p_value(p) for p in (0.0001, 0.05)] == ["< 0.001", "0.050"]


def files(folder: Path, **lines: str) -> dict[str, Path]:
    for name, text in lines.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in lines}


@pytest.mark.parametrize(
    ("systems", "changes", "says"),
    [
        (["short"], {}, r"short has 1 hypotheses, but reference has 2 references"),
        (["good"], {"language": None}, "need --language"),
        (["good"], {"references": ()}, "need --reference"),
        (["missing"], {}, "missing is missing. Name a run folder"),
        ([], {}, "0 systems came"),
        (["good"] * 9, {}, "9 systems came"),
        (["good"], {"segment_scores": ["comet=letters"]}, r"letters:2: 'x' is no numb"),
        (["good"], {"segment_scores": ["comet=one"]}, "one has 1 scores for 2"),
        (["good"], {"segment_scores": ["comet"]}, "is not METRIC=FILE"),
        (["good"] * 2, {"segment_scores": ["comet=two"]}, "1 files of comet scores"),
        (["folder"], {}, "is no run folder"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    systems: list[str],
    changes: dict[str, object],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    files(
        tmp_path,
        good="a\nb\n",
        short="a\n",
        reference="a\nb\n",
        letters="0.5\nsegment x\n",
        one="0.5\n",
        two="0.5\nSegment 1 score: 0.25\n",
    )
    given: dict[str, object] = {"references": [Path("reference")], "language": "de"}
    with pytest.raises(UserError, match=says):
        read_systems(ReportRequest(systems, **{**given, **changes}))  # type: ignore[arg-type]


def test_systems_have_names_of_their_own_and_seeds_share_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, a="x\n", b="y\n", c="z\n", r="x\n", two="1\n")
    request = ReportRequest(
        ["big=a", "big=b", "c", "c"], references=[Path("r")], language="de"
    )
    _, systems = read_systems(request)
    assert [system.name for system in systems] == ["big", "big #2", "c", "c #2"]
    assert [system.group for system in systems] == ["big", "big", "c", "c #2"]
    (tmp_path / "a=b").write_text("x\n")
    assert parse_system_arg("a=b") == ("", Path("a=b"))
    assert parse_system_arg("x=y=a=b") == ("x=y", Path("a=b"))


def test_the_main_directions_are_those_of_the_covariance() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(30, 5).double() * torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1])
    points, shares = pca_2d(vectors)
    values, directions = torch.linalg.eigh(torch.cov(vectors.T))
    expected = (vectors - vectors.mean(0)) @ directions[:, [-1, -2]]
    projected = torch.tensor(points).double()
    torch.testing.assert_close(projected.abs(), expected.abs(), atol=1e-3, rtol=0)
    assert shares == pytest.approx((values[[-1, -2]] / values.sum()).tolist(), abs=1e-3)
    assert all(projected[:, i].abs().max() == projected[:, i].max() for i in (0, 1))


def test_times_are_said_in_their_two_largest_units() -> None:
    assert [format_duration(s) for s in (80, 300, 7300)] == [
        "80 s",
        "5 min",
        "2 h 2 min",
    ]
