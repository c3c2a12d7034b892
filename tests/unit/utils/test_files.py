"""Strict line reading and all-or-nothing writing."""

import gzip
import hashlib
import io
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.utils.files import (
    atomic_file,
    decode_lines,
    read_lines,
    replaced_folder,
    sha256_file,
    write_lines,
)

HOSTILE = "a\u2028b\u2029c\u0085d\x0be\x0cf\rg\x00h\x1ci\ufeffj"
SUFFIXES = ["", ".gz", ".xz", ".zst"]
COMPRESS = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def decoded(data: bytes) -> list[str]:
    return list(decode_lines(io.BytesIO(data), "it"))


def read_error(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        list(read_lines(path))
    return str(caught.value)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
        .map(lambda line: line.rstrip("\r"))
        .flatmap(lambda line: st.sampled_from([line, line + HOSTILE])),
        max_size=20,
    ),
    st.sampled_from(SUFFIXES),
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"lines{suffix}"
    assert write_lines(path, lines) == len(lines)
    assert list(read_lines(path)) == lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\r\nc\rd", ["a", "b\r", "c\rd"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\n", [""]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", ["a", "\ufeffb"]),
        (HOSTILE.encode(), [HOSTILE]),
    ],
)
def test_only_a_line_feed_ends_a_line(data: bytes, lines: list[str]) -> None:
    assert decoded(data) == lines


def test_an_error_names_the_line_the_byte_and_its_position() -> None:
    with pytest.raises(UserError) as caught:
        decoded(b"good\nna\xefve\n")
    assert str(caught.value) == (
        "it:2: byte 0xef at position 3 is not UTF-8. Convert the text to UTF-8 first, "
        "for example with iconv."
    )


@pytest.mark.parametrize("data", [b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xff\xfea"])
def test_bytes_that_strict_utf8_forbids_are_refused(data: bytes) -> None:
    with pytest.raises(UserError, match=r"^it:1: byte 0x.. at position 1 is not"):
        decoded(data)


def test_lines_come_before_the_stream_ends() -> None:
    stream = io.BytesIO(b"first\nsecond \xff\n")
    lines = decode_lines(stream, "it")
    assert next(lines) == "first"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no.txt"
    assert read_error(path) == (f"{path} is missing. Check the path, or make the file.")
    with pytest.raises(UserError, match="is missing"):
        sha256_file(path)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    message = f"{tmp_path} is a folder, not a file. Name a file in it."
    assert read_error(tmp_path) == message
    with pytest.raises(UserError) as caught:
        write_lines(tmp_path, [])
    assert str(caught.value) == message


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("keep", [0, 1, 10, 0.5, -1])
def test_a_file_that_is_cut_off_is_damaged(
    tmp_path: Path, suffix: str, keep: float
) -> None:
    whole = COMPRESS[suffix](b"".join(b"line %d\n" % i for i in range(9999)))
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * keep) if keep == 0.5 else int(keep)])
    message = read_error(path)
    assert message.startswith(f"{path} is damaged: ")
    assert message.endswith(". Fetch it or compress it again.")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_file_that_only_claims_to_be_compressed_is_damaged(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"plain{suffix}"
    path.write_text("plain text, whatever its name says\n")
    assert read_error(path).startswith(f"{path} is damaged: ")


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_parts_compressed_one_after_the_other_are_one_text(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"parts{suffix}"
    path.write_bytes(COMPRESS[suffix](b"one\ntw") + COMPRESS[suffix](b"o\nthree"))
    assert list(read_lines(path)) == ["one", "two", "three"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_lines_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        write_lines(path, ["same"] * 3)
    assert sha256_file(paths[0]) == sha256_file(paths[1])
    assert sha256_file(paths[0]) == hashlib.sha256(paths[0].read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "a\nb",
            "the line holds a line feed, which would make two lines of it. "
            "Replace it by a space.",
        ),
        (
            "ab\ud800",
            "U+D800 at position 3 is half a surrogate pair, which UTF-8 cannot hold. "
            "Remove it.",
        ),
    ],
)
def test_a_line_that_cannot_be_written_changes_nothing(
    tmp_path: Path, suffix: str, line: str, complaint: str
) -> None:
    path = tmp_path / f"old{suffix}"
    write_lines(path, ["old"])
    with pytest.raises(UserError) as caught:
        write_lines(path, ["fine", line])
    assert str(caught.value) == f"{path}:2: {complaint}"
    assert list(read_lines(path)) == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted() -> Iterator[str]:
        yield "one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(tmp_path / "new", interrupted())
    assert list(tmp_path.iterdir()) == []


def test_nothing_stands_in_place_before_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic_file(path) as stream:
        stream.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"


def test_a_new_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_lines(tmp_path / "written", [])
    usual, written = (tmp_path / name for name in ("usual", "written"))
    assert written.stat().st_mode == usual.stat().st_mode


def test_a_full_disk_is_the_users_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "file"
    with pytest.raises(UserError) as caught:
        write_lines(path, ["a"])
    assert str(caught.value) == (
        f"{path} cannot be written: No space left on device. Mend that, or choose "
        "another place."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "old"
    target.mkdir()
    (target / "a").touch()
    rename = Path.rename

    def refuse(self: Path, other: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError(16, "busy")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match="busy"), replaced_folder(target):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "a"]


def test_the_working_folder_is_replaced_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with replaced_folder(Path()) as folder:
        (folder / "a").touch()
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["a"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "file"
    with pytest.raises(UserError) as caught:
        write_lines(path, [])
    assert str(caught.value) == (
        f"{path} cannot be written: there is no folder {path.parent}. Make it first, "
        "or choose another place."
    )


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    write_lines(link, ["a"])
    assert link.is_symlink()
    assert list(read_lines(tmp_path / "file")) == ["a"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_lines(pipe, ["a"]) == 1
        assert os.read(reader, 10) == b"a\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
