"""Every block of docs/python.md runs, in order, and prints what stands below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import seq2seq

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"```python\n((?:[^\n]*\n)*?)```\n(?:\n((?:    [^\n]*\n)+))?")
SHORTER = {
    '"data.max_pairs=20000"': '"data.max_pairs=300", "tokenizer.vocab_size=200"',
    '"train.max_steps=600"]': '"train.max_steps=4", "train.validate_every=4"]',
    '"train.max_steps=200", "train.validate_every=100"': '"train.max_steps=4"',
    'ReportRequest(["runs/first"])': 'ReportRequest(["runs/first"], n_bootstrap=40)',
    'recipe = read_recipe("quickstart")\n': (
        'recipe = read_recipe("quickstart", ["data.max_pairs=100", '
        '"tokenizer.vocab_size=200"])\n'
    ),
    "Trainer(max_steps=600, ": (
        "Trainer(max_steps=8, logger=False, enable_progress_bar=False, "
    ),
}
"""Trainings as the page has them take two minutes."""


class Block(NamedTuple):
    code: str
    output: str


def blocks(*, slow: bool, page: Path = PAGE) -> Iterator[Block]:
    """The blocks before the section on training, or all of them."""
    text = page.read_text(encoding="utf-8")
    for code, output in BLOCK.findall(text if slow else text.split("\n## Train\n")[0]):
        yield Block(code, re.sub(r"^    ", "", output, flags=re.M))


def run(slow: bool, capsys: pytest.CaptureFixture[str], *, page: Path = PAGE) -> None:
    names: dict[str, Any] = {}
    for block in blocks(slow=slow, page=page):
        code, expected = block
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        exec(code, names)
        printed = capsys.readouterr().out
        if expected:
            assert re.sub(r" +$", "", printed, flags=re.M) == expected


def test_what_needs_no_training_runs_and_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(False, capsys)


def test_the_explanation_is_what_its_page_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(False, capsys, page=PAGE.with_name("demo-page.md"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_the_whole_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(True, capsys)


def test_what_is_shortened_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(text.count(long) == 1 for long in SHORTER)


def test_the_page_names_and_uses_everything_that_the_package_exports() -> None:
    table = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    code = "".join(block.code for block in blocks(slow=True))
    for name in seq2seq.__all__:
        assert f"`{name}`" in table
        assert getattr(seq2seq, name).__name__ == name
        if name != "Translation":  # What the others return.
            assert re.search(rf"^from seq2seq import .*\b{name}\b", code, re.M), name


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Transformer'"):
        seq2seq.Transformer  # noqa: B018
