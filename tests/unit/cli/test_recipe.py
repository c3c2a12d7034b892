"""The verbs of recipes."""

from __future__ import annotations

import pytest

from seq2seq.cli.recipe import recipe_ls
from seq2seq.recipe.loader import recipe_names


def test_the_list_begins_with_what_needs_no_download_and_ends_with_benchmarks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe_ls()
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:2] == ["quickstart", "small-data"]
    assert sorted(names) == recipe_names()
    ladder = [name for name in names if name.startswith("ladder/")]
    assert (ladder[0], ladder[-1]) == ("ladder/vanilla-rnn", "ladder/gnmt2016")
    first = names.index("bench/base")
    assert all(
        name.startswith("bench/") == (i >= first) for i, name in enumerate(names)
    )
