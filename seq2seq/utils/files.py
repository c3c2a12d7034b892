"""Read and write lines of UTF-8 text, plain or compressed; writes are atomic.

Only a line feed ends a line: U+2028, U+0085, vertical tabs, form feeds, a lone carriage
return and NUL are text, so line i of one file stays line i of every other.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

from seq2seq.errors import UserError

COMPRESSIONS = (".gz", ".xz", ".zst")
"""The suffixes that are read and written compressed."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


DecodeErrorHandler = Callable[[str], None]
"""Called with the location, such as `in.txt:7`, of a line that is not UTF-8."""


def read_lines(
    path: Path, *, on_decode_error: DecodeErrorHandler | None = None
) -> Iterator[str]:
    """Read a text file line by line, in constant memory.

    One carriage return before the line feed is dropped, and so is a byte-order mark at
    the start of the file. A last line without a line feed counts as a line.

    Args:
        path: The file; compressed if it ends in .gz, .xz or .zst.
        on_decode_error: Called for every line that is not UTF-8; U+FFFD then replaces
            its invalid bytes. If None, such a line is an error.

    Yields:
        The lines, without line endings.

    Raises:
        UserError: If the file is missing, a folder, unreadable, damaged or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            if path.suffix in COMPRESSIONS and not file.peek(1):
                raise UserError(_damaged(str(path), "it is empty"))
            with _decompressed(file, path.suffix) as stream:
                yield from decode_lines(
                    stream, str(path), on_decode_error=on_decode_error
                )
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error


def decode_lines(
    stream: BinaryIO, name: str, *, on_decode_error: DecodeErrorHandler | None = None
) -> Iterator[str]:
    """Read the lines of an open byte stream, such as standard input, lazily.

    Args:
        stream: Uncompressed bytes, or a file object that decompresses; stays open.
        name: Name of the stream for error messages.
        on_decode_error: Called for every line that is not UTF-8; U+FFFD then replaces
            its invalid bytes. If None, such a line is an error.

    Yields:
        The lines, without line endings.

    Raises:
        UserError: If a line is not UTF-8 or the compressed bytes are damaged. Lines
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
                if on_decode_error is not None:
                    on_decode_error(f"{name}:{number}")
                    yield line.decode("utf-8", "replace")
                    continue
                raise UserError(
                    f"{name}:{number}: byte 0x{line[error.start]:02x} at position "
                    f"{error.start + 1} is not UTF-8. Convert the text to UTF-8 first, "
                    "for example with iconv."
                ) from error
    except _DECOMPRESSION_ERRORS as error:
        raise UserError(_damaged(name, error)) from error


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open the bytes of a file, decompressed if it ends in .gz, .xz or .zst.

    Raises:
        UserError: If the file is missing, a folder, unreadable or damaged.
    """
    try:
        with path.open("rb") as file, _decompressed(file, path.suffix) as stream:
            yield stream
    except _DECOMPRESSION_ERRORS as error:
        raise UserError(_damaged(str(path), error)) from error
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error


def count_lines(path: Path) -> int | None:
    """Return a file's number of lines; None for a pipe or what cannot be read."""
    count, last = 0, b"\n"
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file, _decompressed(file, path.suffix) as stream:
            while block := stream.read(1 << 20):
                count += block.count(b"\n")
                last = block[-1:]
    except (OSError, *_DECOMPRESSION_ERRORS):
        return None
    return count + (last != b"\n")


def read_bytes(path: Path) -> bytes:
    """Read a file at once.

    Raises:
        UserError: If it is missing, a folder or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Write lines to a text file atomically.

    Args:
        path: The file; compressed if it ends in .gz, .xz or .zst.
        lines: The lines, without line endings.

    Returns:
        The number of lines.

    Raises:
        UserError: If a line holds a line feed or half a surrogate pair, or if the file
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
                # Readers drop the first byte-order mark and keep the second.
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
    """Open a file for an atomic write.

    The bytes go to a temporary file in the same folder, which is fsynced and renamed to
    `path` when the block ends; on an exception it is removed and `path` is unchanged.
    A pipe or device, such as /dev/stdout, is written to directly.

    Args:
        path: The file to create or replace; its folder must exist.

    Yields:
        The stream to write bytes to.

    Raises:
        UserError: If the operating system refuses: no folder, permission or space.
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
    """Return a new name for a temporary file in the folder."""
    return folder / f".seq2seq-{secrets.token_hex(8)}.tmp"


def remove_temp_files(folder: Path) -> None:
    """Remove the temporary files of killed processes; none may be running."""
    for leftover in folder.glob(".seq2seq-*.tmp"):
        leftover.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in 64 hexadecimal digits.

    Raises:
        UserError: If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error
    return digest.hexdigest()


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is missing. Check the path, or make the file."
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, not a file. Name a file in it."
    return f"{path} cannot be read: {error.strerror or error}. Mend that, or copy it."


def _damaged(name: str, reason: object) -> str:
    return f"{name} is damaged: {reason}. Fetch it or compress it again."


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _decompressed(file: BinaryIO, suffix: str) -> AbstractContextManager[BinaryIO]:
    """Open the decompressed bytes; damage shows while reading."""
    stream: Any = nullcontext(file)
    if suffix == ".gz":
        stream = gzip.GzipFile(fileobj=file, mode="rb")
    elif suffix == ".xz":
        stream = lzma.LZMAFile(file, "rb")  # noqa: SIM115, the caller closes it
    elif suffix == ".zst":
        stream = io.BufferedReader(_ZstdFile(file))
    return cast("AbstractContextManager[BinaryIO]", stream)


def _compressed(file: BinaryIO, suffix: str) -> AbstractContextManager[BinaryIO]:
    """Open a compressing stream; the same lines give the same bytes."""
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
    """Decompress all frames, and detect a truncated file.

    zstandard's own stream_reader ends a truncated frame silently.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._file = file
        self._unread = b""
        self._text = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with decompressed bytes; return 0 at the end.

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
            except self._error as error:
                raise EOFError(str(error)) from error
            self._unread = b""
            if self._frame.eof:
                self._unread, self._frame = self._frame.unused_data, None
        with memoryview(buffer) as view:
            size = min(len(view), len(self._text))
            view[:size] = self._text[:size]
        self._text = self._text[size:]
        return size


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces the target if the block succeeds.

    Raises:
        UserError: If the operating system refuses; the target is then as it was.
    """
    target = target.absolute()  # The path "." has no name.
    temporary = target.with_name(f".seq2seq-{secrets.token_hex(8)}.tmp")
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rename(old)
        temporary.rename(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
