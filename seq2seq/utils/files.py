"""Lines of text in files: strict on the way in, all or nothing on the way out.

Knows bytes, UTF-8 and compression; not sentence pairs, languages or pieces. Only a line
feed ends a line: U+2028, U+0085, vertical tabs, form feeds, a lone carriage return and
NUL are text, so line i of one file stays line i of every other.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

from seq2seq.errors import UserError

COMPRESSIONS = (".gz", ".xz", ".zst")
"""The suffixes that are read and written compressed."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


Mend = Callable[[str], None]
"""Takes note of a place, such as `in.txt:7`, where U+FFFD replaces what is damaged."""


def read_lines(path: Path, *, mend: Mend | None = None) -> Iterator[str]:
    """Read a text file line by line, in constant memory.

    One carriage return before the line feed is dropped, and so is a byte-order mark at
    the start of the file. A last line without a line feed counts as a line.

    Args:
        path: The file; compressed if it ends in .gz, .xz or .zst.
        mend: Told of lines that are not UTF-8, which are then mended; if None, they are
            refused.

    Yields:
        The lines, without their ends.

    Raises:
        InputError: If the file is missing, a folder, unreadable, damaged or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            if path.suffix in COMPRESSIONS and not file.peek(1):
                raise UserError(_damaged(str(path), "it is empty"))
            with _decompressed(file, path.suffix) as stream:
                yield from decode_lines(stream, str(path), mend=mend)
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error


def decode_lines(
    stream: BinaryIO, name: str, *, mend: Mend | None = None
) -> Iterator[str]:
    """Read the lines of an open byte stream, such as standard input, as they come.

    Args:
        stream: Uncompressed bytes, or a file object that decompresses; stays open.
        name: What an error message calls the stream.
        mend: Told of lines that are not UTF-8, which are then mended; if None, they are
            refused.

    Yields:
        The lines, without their ends.

    Raises:
        InputError: If a line is not UTF-8 or the compressed bytes are damaged. Lines
            and the positions of bytes in them count from 1.
    """
    try:
        for number, raw in enumerate(stream, 1):
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            if number == 1 and raw.startswith(_BYTE_ORDER_MARK):
                line = line.removeprefix(_BYTE_ORDER_MARK)
                if raw == _BYTE_ORDER_MARK:
                    return
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                if mend is not None:
                    mend(f"{name}:{number}")
                    yield line.decode("utf-8", "replace")
                    continue
                raise UserError(
                    f"{name}:{number}: byte 0x{line[error.start]:02x} at position "
                    f"{error.start + 1} is not UTF-8. Convert the text to UTF-8 first, "
                    "for example with iconv."
                ) from error
    except _DAMAGE as error:
        raise UserError(_damaged(name, error)) from error


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines to a text file that appears whole or not at all.

    Args:
        path: The file; compressed if it ends in .gz, .xz or .zst.
        lines: The lines, without their ends.

    Returns:
        The number of lines.

    Raises:
        InputError: If a line holds a line feed or half a surrogate pair, or if the file
            cannot be written.
    """
    count = 0
    with atomic_file(path) as file, _compressed(file, path.suffix) as stream:
        for count, line in enumerate(lines, 1):
            if "\n" in line:
                raise UserError(
                    f"{path}:{count}: the line holds a line feed, which would make two "
                    "lines of it. Replace it by a space."
                )
            if count == 1 and line.startswith("\ufeff"):
                # Readers take the first mark for a signature and keep the second.
                stream.write(_BYTE_ORDER_MARK)
            try:
                stream.write(line.encode("utf-8") + b"\n")
            except UnicodeEncodeError as error:
                raise UserError(
                    f"{path}:{count}: U+{ord(line[error.start]):04X} at position "
                    f"{error.start + 1} is half a surrogate pair, which UTF-8 cannot "
                    "hold. Remove it."
                ) from error
    return count


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its place only when the block ends without an exception.

    The bytes go to a temporary file in the same folder, reach the disk, and are renamed
    over `path` in one step. Otherwise the temporary file goes and `path` stays as it
    was. A pipe or device, such as /dev/stdout, is written to directly.

    Args:
        path: The file to make or replace; its folder must exist.

    Yields:
        The stream to write bytes to.

    Raises:
        InputError: If the operating system refuses: no folder, permission or space.
    """
    try:
        # A symbolic link stays one: the file behind it is replaced.
        target = path.resolve()
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as stream:
                yield stream
            return
        if path.is_dir():
            raise UserError(f"{path} is a folder, not a file. Name a file in it.")
        if not target.parent.is_dir():
            raise UserError(
                f"{path} cannot be written: there is no folder {target.parent}. Make "
                "it first, or choose another place."
            )
        temporary = temp_path(target.parent)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}. Mend that, or "
            "choose another place."
        ) from error


def temp_path(folder: Path) -> Path:
    """Name a file that is not there yet, for what is about to take its place."""
    return folder / f".seq2seq-{secrets.token_hex(8)}.tmp"


def remove_temp_files(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; none may be at work."""
    for leftover in folder.glob(".seq2seq-*.tmp"):
        leftover.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Sum up a file's bytes, as they lie on the disk, in 64 hexadecimal digits.

    Raises:
        InputError: If the file cannot be read.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error
    return total.hexdigest()


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is missing. Check the path, or make the file."
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, not a file. Name a file in it."
    return f"{path} cannot be read: {error.strerror or error}. Mend that, or copy it."


def _damaged(name: str, reason: object) -> str:
    return f"{name} is damaged: {reason}. Fetch it or compress it again."


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _decompressed(file: BinaryIO, suffix: str) -> AbstractContextManager[BinaryIO]:
    """Give the text's bytes; damage shows while reading."""
    stream: Any = nullcontext(file)
    if suffix == ".gz":
        stream = gzip.GzipFile(fileobj=file, mode="rb")
    elif suffix == ".xz":
        stream = lzma.LZMAFile(file, "rb")  # noqa: SIM115, the caller closes it
    elif suffix == ".zst":
        stream = io.BufferedReader(_ZstdFile(file))
    return cast("AbstractContextManager[BinaryIO]", stream)


def _compressed(file: BinaryIO, suffix: str) -> AbstractContextManager[BinaryIO]:
    """Compress what is written; the same lines give the same bytes."""
    stream: Any = nullcontext(file)
    if suffix == ".gz":
        # No name and no time in the header.
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
    elif suffix == ".xz":
        stream = lzma.LZMAFile(file, "wb")  # noqa: SIM115, the caller closes it
    elif suffix == ".zst":
        import zstandard

        stream = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return cast("AbstractContextManager[BinaryIO]", stream)


class _ZstdFile(io.RawIOBase):
    """Decompress frame after frame, and notice a file that is cut off.

    zstandard's own stream_reader ends a truncated frame without a word.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._damage = zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._file = file
        self._unread = b""
        self._text = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what comes next; 0 at the end.

        Raises:
            EOFError: If the bytes are damaged or end within a frame.
        """
        while not self._text:
            chunk = self._unread or self._file.read(1 << 15)
            if not chunk:
                if self._frame is not None:
                    raise EOFError("it ends too early")
                return 0
            self._frame = self._frame or self._new_frame()
            try:
                self._text = memoryview(self._frame.decompress(chunk))
            except self._damage as error:
                raise EOFError(str(error)) from error
            self._unread = b""
            if self._frame.eof:
                self._unread, self._frame = self._frame.unused_data, None
        with memoryview(buffer) as room:
            size = min(len(room), len(self._text))
            room[:size] = self._text[:size]
        self._text = self._text[size:]
        return size
