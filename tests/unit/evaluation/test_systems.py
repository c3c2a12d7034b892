"""Systems and test sets, from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.evaluation.systems import ReportRequest, parse_system_arg, read_systems
from seq2seq.recipe.dump import recipe_yaml
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.run_folder import RunFolder


def files(folder: Path, **lines: str) -> dict[str, Path]:
    for name, text in lines.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in lines}


@pytest.mark.parametrize(
    ("systems", "changes", "says"),
    [
        (["short"], {}, r"short has 1 hypotheses, but reference has 2 references"),
        (["good"], {"language": None}, "files of hypotheses need --language"),
        (["good"], {"references": ()}, "need --reference"),
        (["missing"], {}, "missing is missing. Name a run folder"),
        (["goof"], {}, r"goof is missing, did you mean good\? Name a run folder"),
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


def test_a_split_that_stands_for_another_is_named_once_and_in_the_title(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files(tmp_path, **{"valid.en": "a\nb\n", "valid.de": "c\nd\n"})
    folder = RunFolder(tmp_path / "run").evaluation("dev")
    folder.mkdir(parents=True)
    (folder / "hypotheses.txt").write_text("c\nd\n", encoding="utf-8")
    recipe = read_recipe("quickstart", [f"data.path={tmp_path}"])
    (tmp_path / "run/recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    request = ReportRequest([str(tmp_path / "run")], split="dev")
    for _ in range(2):
        test_set, _ = read_systems(request)
    assert test_set.name.endswith(" valid")
    assert caplog.text.count("there is no split 'dev'") == 1
