"""Output files that get their names when they are whole, and that can be continued.

Knows files and counts; not what their lines say. What is translated goes to
NAME.partial beside each file. After each window, once that is on the disk,
FIRST.partial.journal gets a line: how many lines of input are done, their checksum, and
how long the partial files are. So whatever kills the process, the last whole line of
the journal is true.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from seq2seq.errors import UserError
from seq2seq.utils.files import COMPRESSIONS, atomic_file, decode_lines, write_lines


@dataclass(frozen=True)
class CommittedState:
    """What is safely in the partial files.

    Attributes:
        lines: Lines of input.
        digest: The checksum of these.
        sizes: How long each partial file is, in bytes.
    """

    lines: int
    digest: str
    sizes: tuple[int, ...]


class ResumableOutput:
    """Output files under way.

    Args:
        paths: The files to make, the main one first.
        job: What decides on the output, as plain values: a translation is only
            continued by the same job.
        resume: Whether to go on from what an earlier process left; if it left nothing,
            the beginning.

    Raises:
        InputError: If there is something left and resume is False, if it is of another
            job, or if the files cannot be written.
    """

    def __init__(
        self, paths: Sequence[Path], *, job: dict[str, Any], resume: bool
    ) -> None:
        # A symbolic link stays one: the file behind it is replaced.
        self.paths = [path.resolve() for path in paths]
        for path, resolved in zip(paths, self.paths, strict=True):
            if path.is_dir():
                raise UserError(f"{path} is a folder, not a file. Name a file in it.")
            if not resolved.parent.is_dir():
                raise UserError(
                    f"{path} cannot be written: there is no folder {resolved.parent}. "
                    "Make it first, or choose another place."
                )
        if len(set(self.paths)) < len(self.paths):
            raise UserError(f"{paths[0]} is named twice; name different files.")
        self.partial = [path.with_name(f"{path.name}.partial") for path in self.paths]
        self.log_path = self.partial[0].with_name(f"{self.partial[0].name}.journal")
        self.job: dict[str, Any] = json.loads(json.dumps(job))
        self.done = self._left(resume=resume)
        self._total = hashlib.sha256()
        self._lines = 0
        try:
            self._open()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> ResumableOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files; what is in them stays where it is."""
        for stream in [*self._streams, self._log]:
            stream.close()

    def skip_done(self, window: Sequence[str]) -> int:
        """Take note of the next lines of input, and tell how many of them are done.

        Raises:
            InputError: If lines that are done were others then.
        """
        done = 0
        for line in window:
            self._total.update(line.encode("utf-8", "surrogatepass") + b"\n")
            self._lines += 1
            done += self._lines <= self.done.lines
            if self._lines == self.done.lines and self._digest() != self.done.digest:
                raise UserError(
                    f"{self.partial[0]} was made from other lines: the first "
                    f"{self.done.lines:,} of the input have changed. Give the same "
                    f"input, or remove {self.partial[0]} to begin anew."
                )
        return done

    def append(self, window: Sequence[Iterable[str]]) -> None:
        """Append what became of the lines last noted, and make it last.

        Args:
            window: Lines for each file.

        Raises:
            InputError: If the operating system refuses, for example for lack of space.
        """
        try:
            for stream, lines in zip(self._streams, window, strict=True):
                stream.write("".join(f"{line}\n" for line in lines).encode())
                stream.flush()
                os.fsync(stream.fileno())
            sizes = tuple(stream.tell() for stream in self._streams)
            self._say(CommittedState(self._lines, self._digest(), sizes).__dict__)
        except OSError as error:
            raise self._failed(error) from error

    def commit(self) -> None:
        """Give the files their names.

        Raises:
            InputError: If fewer lines came than were done before.
        """
        if self._lines < self.done.lines:
            raise UserError(
                f"{self.partial[0]} was made from {self.done.lines:,} lines, but the "
                f"input has {self._lines:,}. Give the same input, or remove "
                f"{self.partial[0]} to begin anew."
            )
        try:
            # The main file last: once it is there, all are.
            for path, partial in reversed(
                list(zip(self.paths, self.partial, strict=True))
            ):
                if path.suffix in COMPRESSIONS:
                    with partial.open("rb") as stream:
                        write_lines(path, decode_lines(stream, str(partial)))
                    partial.unlink()
                else:
                    partial.replace(path)
            self.log_path.unlink()
        except OSError as error:
            raise self._failed(error) from error

    def _left(self, *, resume: bool) -> CommittedState:
        """Find what an earlier process left."""
        nothing = CommittedState(0, "", (0,) * len(self.paths))
        entries = _entries(self.log_path)
        done = [
            CommittedState(**{**each, "sizes": tuple(each["sizes"])})
            for each in entries[1:]
        ]
        sizes = [path.stat().st_size if path.is_file() else 0 for path in self.partial]
        # The newest entry whose bytes are all there.
        safe = next(
            (
                each
                for each in reversed(done)
                if len(each.sizes) == len(sizes)
                and all(map(int.__le__, each.sizes, sizes))
            ),
            nothing,
        )
        if not safe.lines:
            return nothing
        if not resume:
            raise UserError(
                f"{self.partial[0]} holds {safe.lines:,} lines of a translation that "
                "was interrupted. Add --continue to go on, or remove it to begin anew."
            )
        then = entries[0]
        for key in [*then, *self.job]:
            if then.get(key) != self.job.get(key):
                raise UserError(
                    f"{self.partial[0]} is of another translation: {key} was "
                    f"{then.get(key)!r}, is now {self.job.get(key)!r}. Use the same "
                    "run and options, or remove it to begin anew."
                )
        return safe

    def _open(self) -> None:
        """Cut the files back to what is safe, and begin the journal if need be."""
        fresh = not self.done.lines
        self._streams: list[BinaryIO] = []
        for path, size in zip(self.partial, self.done.sizes, strict=True):
            stream = path.open("wb" if fresh else "r+b")
            self._streams.append(stream)
            stream.truncate(size)
            stream.seek(size)
        known = [self.job] if fresh else [self.job, self.done.__dict__]
        with atomic_file(self.log_path) as file:
            file.write(b"".join(json.dumps(each).encode() + b"\n" for each in known))
        self._log = self.log_path.open("ab")

    def _say(self, entry: dict[str, Any]) -> None:
        self._log.write(json.dumps(entry).encode() + b"\n")
        self._log.flush()

    def _digest(self) -> str:
        return self._total.hexdigest()

    def _failed(self, error: OSError) -> UserError:
        return UserError(
            f"{self.partial[0]} cannot be written: {error.strerror or error}. Mend "
            "that, then give the same command, of translate with --continue, to go on."
        )


def _entries(path: Path) -> list[dict[str, Any]]:
    """Read a journal as far as it goes; its last line may be half a line."""
    found: list[dict[str, Any]] = []
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        for number, line in enumerate(lines):
            entry = json.loads(line)
            keys = {"lines", "digest", "sizes"}
            if not isinstance(entry, dict) or (number and set(entry) != keys):
                break
            found.append(entry)
    except (OSError, ValueError):
        pass
    return found
