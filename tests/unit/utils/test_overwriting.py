"""No output is an input, whatever its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seq2seq.errors import UserError
from seq2seq.utils.overwriting import STDIN, STDOUT, check_overwrites_no_input
from tests.helpers.redirection import redirected


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("A dog.\n")
    return path


@pytest.mark.parametrize("kind", ["same", "dotted", "symbolic", "hard", "chain"])
def test_a_file_is_itself_under_every_name(source: Path, kind: str) -> None:
    other = source.parent / "other"
    if kind == "same":
        other = source
    elif kind == "dotted":
        other = source.parent / ".." / source.parent.name / source.name
    elif kind == "symbolic":
        other.symlink_to(source)
    elif kind == "hard":
        other.hardlink_to(source)
    else:
        (source.parent / "middle").symlink_to(source)
        other.symlink_to("middle")
    for output, read in ((other, source), (source, other)):
        says = "the same file as" if other != source else "an input of this command"
        with pytest.raises(UserError, match=rf"is {says}.*such as .*new"):
            check_overwrites_no_input([source.parent / "new", output], [read])
    assert source.read_text() == "A dog.\n"


def test_a_redirected_stream_is_the_file_behind_it(source: Path) -> None:
    with redirected(stdin=source):
        with pytest.raises(UserError, match=r"in.txt is the same file as standard inp"):
            check_overwrites_no_input([source], [STDIN])
        with pytest.raises(UserError, match="is the same file as /dev/stdin"):
            check_overwrites_no_input([source], [Path("/dev/stdin")])
    with (
        redirected(stdin=source, stdout=source),
        pytest.raises(UserError, match=r"standard output is the same .*empties"),
    ):
        check_overwrites_no_input([STDOUT], [STDIN])


def test_a_file_in_a_folder_that_is_read_is_an_input(source: Path) -> None:
    with pytest.raises(UserError, match=r"in\.txt is an input in .* of"):
        check_overwrites_no_input([source], [source.parent])


def test_copies_new_files_pipes_and_devices_are_no_inputs(source: Path) -> None:
    copy, pipe = source.parent / "copy", source.parent / "pipe"
    copy.write_bytes(source.read_bytes())
    os.mkfifo(pipe)
    null = Path(os.devnull)
    check_overwrites_no_input(
        [copy, source.parent / "new", null, pipe, STDOUT],
        [source, null, pipe, STDIN, source.parent / "missing"],
    )
