"""Every command that writes refuses to write over what it reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.redirection import redirected
from tests.helpers.runs import make_run
from tests.helpers.translate_cli import LINES, call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    (tmp_path / "hard.txt").hardlink_to(path)
    (tmp_path / "link.txt").symlink_to(path)
    return path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "RUN", "in.txt", "--output", "in.txt"],
        ["translate", "RUN", "in.txt", "--output", "hard.txt"],
        ["translate", "RUN", "link.txt", "--output", "in.txt", "--resume"],
        ["translate", "RUN", "in.txt", "--output", "new", "--alignments", "hard.txt"],
        ["translate", "RUN", "new.partial", "--output", "new"],
        ["translate", "RUN", "in.txt", "--output", "RUN/checkpoints/best.ckpt"],
        ["translate", "RUN", "in.txt", "--output", "RUN/recipe.yaml"],
        ["score", "RUN", "--source", "in.txt", "--target", "in.txt", "--output",
         "link.txt"],
        ["evaluate", "RUN", "--source", "in.svg", "--reference", "in.txt",
         "--search-sweep", "in.svg"],
        ["compare", "in.txt", "report.md", "--reference", "in.txt", "--language", "en",
         "--output", "."],
        ["report", "in.txt", "--reference", "report.json", "--language", "en",
         "--output", "."],
        ["train", "recipe.yaml", "--output", "."],
    ],
    ids=lambda arguments: f"{arguments[0]}-{arguments[-1]}",
)  # fmt: skip
def test_no_command_overwrites_its_input(
    tmp_path: Path,
    source: Path,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "RUN")
    for name in ("new.partial", "in.svg", "report.md", "report.json"):
        Path(name).write_bytes(source.read_bytes())
    Path("recipe.yaml").write_text("extends: quickstart\n")
    before = contents(tmp_path)
    says = call(*arguments)[1]
    assert re.search(
        "is (the same file as .*, which is read|an input.*): writing", says
    )
    assert not re.search(r"(\S+) is the same file as \1\b", says)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "alignments"),
    [
        ("out.txt", "out.txt"),
        ("out.txt", "out.txt.partial"),
        ("out.txt", "out.txt.partial.journal"),
        ("align.txt.partial", "align.txt"),
        ("hard.txt", "in.txt"),
        ("out.txt", "folder/../out.txt"),
    ],
)
def test_no_two_files_of_a_translation_are_one(
    run: Path,
    source: Path,
    output: str,
    alignments: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(source.parent)
    Path("folder").mkdir()
    Path("other.txt").write_text("A dog.\n")
    before = contents(source.parent)
    arguments = ["--output", output, "--alignments", alignments]
    _, message = call("translate", run, "other.txt", *arguments)
    assert "are the same file, but both would be written" in message
    assert "\n" not in message
    assert contents(source.parent) == before


def test_a_redirected_input_is_not_overwritten(run: Path, source: Path) -> None:
    before = source.read_bytes()
    with redirected(stdin=source):
        for output in (source, source.parent / "hard.txt"):
            says = call("translate", run, "--output", output)[1]
            assert "is the same file as standard input" in says
    with redirected(stdin=source, stdout=source):
        for verb in (["translate", run], ["translate", run, source]):
            says = call(*verb)[1]
            assert "standard output is the same file as" in says
    assert source.read_bytes() == before


def test_a_partial_file_of_nobody_is_kept(run: Path, source: Path) -> None:
    other = source.parent / "out.partial"
    other.write_text("half a download\n")
    says = call("translate", run, source, "--output", source.parent / "out")[1]
    assert f"{other} would be written, but is there already" in says
    assert other.read_text() == "half a download\n"
