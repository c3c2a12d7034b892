"""The verbs of recipes."""

from __future__ import annotations

import pytest

from seq2seq.cli.recipe import recipe_ls
from seq2seq.recipe.loader import chain_names, recipe_names


def test_the_list_begins_without_downloads_and_ends_with_benchmarks_and_chains(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe_ls()
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:2] == ["quickstart", "small-data"]
    assert names[-len(chain_names()) :] == chain_names()
    names = names[: -len(chain_names())]
    assert sorted(names) == recipe_names()
    ladder = [name for name in names if name.startswith("ladder/")]
    assert (ladder[0], ladder[-1]) == ("ladder/vanilla-rnn", "ladder/gnmt2016")
    first = names.index("bench/base")
    assert all(
        name.startswith("bench/") == (i >= first) for i, name in enumerate(names)
    )
