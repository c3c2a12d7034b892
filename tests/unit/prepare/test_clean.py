"""A planted corpus: each rule finds what was planted for it, and little else."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from seq2seq.data.near_duplicates import near_groups
from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.errors import UserError
from seq2seq.prepare.clean import clean_corpus
from seq2seq.prepare.corpus_writer import TextPair
from seq2seq.prepare.inspection import find_faults
from seq2seq.prepare.rules import RULES, Thresholds, damage, unmatched_numbers
from seq2seq.prepare.side_words import SideWords
from seq2seq.utils.files import read_lines
from tests.helpers.cli import invoke

MULTI30K = Path(__file__).resolve().parents[4] / "shared" / "data" / "multi30k"
GREEK = dict(zip("abdefghiklmnoprstu", "αβδεφγηικλμνοπρστυ", strict=True))


def without_near(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of which no two are near on both sides."""
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    groups = near_groups(sides, on="both").tolist()
    return [pair for row, pair in enumerate(pairs) if groups[row] == row]


def plant(
    base: list[tuple[str, str]], share: float, rng: random.Random
) -> tuple[list[TextPair], dict[int, str]]:
    """A corpus with faults, and the rule of each row that has one, from 1.

    Duplicates come behind what they are of; all others are where the pair was.
    """
    kinds = ["duplicate", "near_duplicate", "swapped", "damaged", "script", "blank"]
    kinds += ["identical", "numbers"]
    count = int(share * len(base))
    rows = rng.sample(range(len(base)), count * len(kinds))
    chosen = {row: kinds[n % len(kinds)] for n, row in enumerate(rows)}
    lines: list[tuple[tuple[str, str], str]] = []
    copies: list[tuple[tuple[str, str], str]] = []
    for row, (source, target) in enumerate(base):
        kind = chosen.get(row, "")
        pair = (source, target)
        if kind == "duplicate":
            copies.append((pair, kind))
        elif kind == "near_duplicate":
            edited = source.upper() if rng.random() < 0.3 else source + " !"
            half = len(target) // 2
            copies.append(((edited, target[:half] + "," + target[half:]), kind))
        elif kind == "swapped":
            pair = (target, source)
        elif kind == "damaged":
            text = f"{target[:-1]} schön für uns."
            spoilt = text.encode().decode(
                rng.choice(["latin-1", "cp1252", "ascii"]), "replace"
            )
            pair = (source, spoilt)
        elif kind == "script":
            pair = (source, "".join(GREEK.get(c, c) for c in target.lower()))
        elif kind == "blank":
            pair = (source, " \u200b")
        elif kind == "identical":
            pair = (source, source.lower())
        elif kind == "numbers":
            pair = (
                f"{source} {rng.randint(30, 9999)}",
                f"{target} {rng.randint(13, 29)}",
            )
        lines.append((pair, "" if kind in ("duplicate", "near_duplicate") else kind))
    rng.shuffle(copies)
    lines += copies
    planted = {row: kind for row, (_, kind) in enumerate(lines, 1) if kind}
    return [(*pair, "") for pair, _ in lines], planted


def check_rules(base: list[tuple[str, str]], share: float) -> None:
    pairs, planted = plant(base, share, random.Random(7))
    rules = {f.row: f.rule for f in find_faults(pairs, Thresholds())}
    assert len(pairs) == len(base) + 2 * int(share * len(base))
    of_kind = Counter(planted.values())
    for kind, count in of_kind.items():
        rows = {row for row, rule in rules.items() if rule == kind}
        right = {row for row in rows if planted.get(row) == kind}
        assert len(right) >= 0.95 * count, (kind, len(right), count)
        assert len(right) >= 0.98 * len(rows), (kind, len(rows - right))


def test_each_rule_finds_what_was_planted_and_little_else() -> None:
    base = without_near(list(phrase_pairs("train", count=6000, seed=5)))[:1500]
    assert len(base) == 1500
    check_rules(base, 0.03)


@pytest.mark.slow
@pytest.mark.realdata
def test_each_rule_finds_what_was_planted_in_real_text() -> None:
    check_rules(without_near(multi30k())[:9400], 0.03)


@pytest.mark.slow
@pytest.mark.realdata
def test_multi30k_as_it_is_raises_few_alarms() -> None:
    pairs = [(*pair, "") for pair in multi30k()]
    counts = Counter(f.rule for f in find_faults(pairs, Thresholds()))
    assert len(pairs) == 29_000
    assert counts.total() <= 0.005 * len(pairs), counts


def multi30k() -> list[tuple[str, str]]:
    if not MULTI30K.is_dir():
        pytest.skip("needs the real corpora")
    sides = [read_lines(MULTI30K / f"train.{language}.gz") for language in ("en", "de")]
    return list(zip(*sides, strict=True))


@pytest.mark.parametrize(
    "text",
    ["weiÃŸ", "schÃ¶n", "Ã\x9f", "itâ€™s", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "caf\ufffd", "Å‚atwy"],
)
def test_spoilt_encodings_are_seen(text: str) -> None:
    assert damage(text)


@pytest.mark.parametrize(
    "text",
    ["„Gruß“", "café”", "À «propos»", "São João", "Ångström", "Привет", "çà et là…"],
)
def test_sound_text_is_not_taken_for_spoilt(text: str) -> None:
    assert not damage(text)


def test_numbers_match_whatever_their_separators() -> None:
    assert not unmatched_numbers("1,234.50 euros at 3 pm", "1.234,50 Euro um 15 Uhr")
    assert not unmatched_numbers("three cats, 2 dogs", "3 Katzen, zwei Hunde")
    assert not unmatched_numbers("at 2:30", "um halb drei")
    assert unmatched_numbers("in 1984", "1948") == "1984, 1948"


def corpus(folder: Path) -> Path:
    folder.mkdir()
    base = without_near(list(phrase_pairs("train", count=300, seed=5)))[:100]
    rows = [{"en": source, "de": target} for source, target in base]
    rows[10] = {"en": rows[10]["de"], "de": rows[10]["en"]}
    rows[20] = dict(rows[0])
    rows[30]["de"] = "<script>alert(1)</script> \ufffd"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_a_pair_proves_nothing_about_itself() -> None:
    sources = ["the dog"] * 20 + ["der Hund Xaver Yolanda"]
    targets = ["der Hund"] * 20 + ["the dog Xander Yvonne"]
    words = SideWords(sources, targets)
    swapped = [words.is_swapped(*pair) for pair in zip(sources, targets, strict=True)]
    assert swapped == [False] * 20 + [True]


def test_cleaning_lists_what_it_drops_and_swaps_back(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "in")
    status, out, _ = invoke("data", "clean", str(folder), str(tmp_path / "out"))
    assert status == 0
    assert "kept 98 of 100 pairs; dropped: 1 damaged, 1 duplicate" in out
    assert "swapped back: 1" in out
    before = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    after = list(read_lines(tmp_path / "out" / "train.jsonl"))
    back = json.loads(before[10])
    assert json.loads(after[10]) == {"en": back["de"], "de": back["en"]}
    assert after[:10] == [
        json.dumps(json.loads(x), ensure_ascii=False) for x in before[:10]
    ]
    dropped = (
        (tmp_path / "out" / "dropped.tsv").read_text(encoding="utf-8").splitlines()
    )
    assert [line.split("\t")[:2] for line in dropped] == [
        ["row", "rule"],
        ["21", "duplicate"],
        ["31", "damaged"],
    ]


def test_rules_can_be_switched_off() -> None:
    pairs = [("We buy bread.", "We buy bread.", ""), ("I see it.", "Ich sehe es.", "")]
    assert len(clean_corpus(pairs, without=["identical", "swapped"]).pairs) == 2
    with pytest.raises(UserError, match="the rules are blank, damaged"):
        clean_corpus(pairs, without=["copies"])


def test_an_inspection_is_json_a_table_and_a_page_that_runs_no_text(
    tmp_path: Path,
) -> None:
    folder, page = corpus(tmp_path / "in"), tmp_path / "page.html"
    command = ["data", "inspect", str(folder)]
    status, out, _ = invoke(*command, "--json", "--output", str(page))
    found = json.loads(out)
    assert status == 0
    counts = {
        rule: entry["pairs"] for rule, entry in found["rules"].items() if entry["pairs"]
    }
    assert counts == {"damaged": 1, "swapped": 1, "duplicate": 1}
    assert found["rules"]["swapped"]["examples"][0]["row"] == 11
    html = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    status, out, _ = invoke(*command)
    assert status == 0
    assert all(rule in out for rule in RULES)
