"""Output files that are renamed when complete, and resumed after an interruption.

Output goes to NAME.partial beside each file. After each buffer, once that is synced to
disk, FIRST.partial.journal gets a line: how many input lines are done, their checksum,
and the sizes of the partial files. So however the process is killed, the journal's last
complete line is true.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from seq2seq.errors import UserError
from seq2seq.utils.files import COMPRESSIONS, atomic_file, decode_lines, write_lines
from seq2seq.utils.overwriting import check_distinct, check_overwrites_no_input


def partial_path(path: Path) -> Path:
    """Return the name that a file has until it is complete."""
    return path.with_name(f"{path.name}.partial")


class UnfinishedOutputError(UserError):
    """An interrupted translation's partial files are there, and resume is False."""


@dataclass(frozen=True)
class CommittedState:
    """What the partial files durably contain.

    Attributes:
        lines: Number of input lines.
        digest: SHA-256 of these.
        sizes: Size of each partial file, in bytes.
    """

    lines: int
    digest: str
    sizes: tuple[int, ...]


class ResumableOutput:
    """Output files in progress.

    Args:
        paths: The files to write, the main one first.
        job: Everything that determines the output, as JSON values: only the same job
            can be resumed.
        resume: Whether to resume the partial files of an earlier process; without any,
            start at the beginning.
        inputs: What is read for it; nothing of that is overwritten.
        render: Makes the main file's bytes of its lines; if None, they are the file.

    Raises:
        UserError: If there are partial files and resume is False, if they are of
            another job, if a file is one of the inputs or two are the same, or one
            cannot be written.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        job: dict[str, Any],
        resume: bool,
        inputs: Iterable[Path | int] = (),
        render: Callable[[Sequence[str]], bytes] | None = None,
    ) -> None:
        self.render = render
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
        self.partial = [partial_path(path) for path in self.paths]
        self.journal = self.partial[0].with_name(f"{self.partial[0].name}.journal")
        check_distinct([*self.paths, *self.partial, self.journal])
        check_overwrites_no_input([*paths, *self.partial, self.journal], inputs)
        self.job: dict[str, Any] = json.loads(json.dumps(job))
        self.committed = self._recover(resume=resume)
        self._sha256 = hashlib.sha256()
        self._lines = 0
        try:
            self._open()
        except OSError as error:
            raise self._write_error(error) from error

    def __enter__(self) -> ResumableOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files; partial ones remain."""
        self._close()

    def _close(self) -> None:
        for stream in [*self._streams, self._journal_stream]:
            stream.close()

    def skip_done(self, inputs: Sequence[str]) -> int:
        """Register the next input lines, and return how many of them are already done.

        Raises:
            UserError: If lines that are done have changed.
        """
        done = 0
        committed = self.committed
        for line in inputs:
            self._sha256.update(line.encode("utf-8", "surrogatepass") + b"\n")
            self._lines += 1
            done += self._lines <= committed.lines
            if self._lines == committed.lines and self._digest() != committed.digest:
                raise UserError(
                    f"{self.partial[0]} was made from other lines: the first "
                    f"{committed.lines:,} of the input have changed. Give the same "
                    f"input, or remove {self.partial[0]} to begin anew."
                )
        return done

    def append(self, outputs: Sequence[Iterable[str]]) -> None:
        """Append the output of the lines last registered, and sync it to disk.

        Args:
            outputs: Output lines for each file.

        Raises:
            UserError: If the files cannot be written, for example for lack of space.
        """
        try:
            for stream, lines in zip(self._streams, outputs, strict=True):
                stream.write("".join(f"{line}\n" for line in lines).encode())
                stream.flush()
                os.fsync(stream.fileno())
            sizes = tuple(stream.tell() for stream in self._streams)
            state = CommittedState(self._lines, self._digest(), sizes)
            self._journal_stream.write(json.dumps(state.__dict__).encode() + b"\n")
            self._journal_stream.flush()
        except OSError as error:
            raise self._write_error(error) from error

    def commit(self) -> None:
        """Rename the complete files.

        Raises:
            UserError: If the input has fewer lines than are done.
        """
        if self._lines < self.committed.lines:
            raise UserError(
                f"{self.partial[0]} was made from {self.committed.lines:,} lines, but "
                f"the input has {self._lines:,}. Give the same input, or remove "
                f"{self.partial[0]} to begin anew."
            )
        try:
            self._close()  # Windows renames no open file.
            # The main file last: once it exists, all do.
            for path, partial in reversed(
                list(zip(self.paths, self.partial, strict=True))
            ):
                if path == self.paths[0] and self.render is not None:
                    with partial.open("rb") as stream:
                        lines = [*decode_lines(stream, str(partial))]
                    with atomic_file(path) as file:
                        file.write(self.render(lines))
                    partial.unlink()
                elif path.suffix in COMPRESSIONS:
                    with partial.open("rb") as stream:
                        write_lines(path, decode_lines(stream, str(partial)))
                    partial.unlink()
                else:
                    partial.replace(path)
            self.journal.unlink()
        except OSError as error:
            raise self._write_error(error) from error

    def _recover(self, *, resume: bool) -> CommittedState:
        """Return the committed state of an earlier process."""
        empty = CommittedState(0, "", (0,) * len(self.paths))
        entries = _read_journal(self.journal)
        states = [
            CommittedState(**{**entry, "sizes": tuple(entry["sizes"])})
            for entry in entries[1:]
        ]
        sizes = [path.stat().st_size if path.is_file() else 0 for path in self.partial]
        if any(sizes) and not self.journal.exists():
            path = next(p for p, size in zip(self.partial, sizes, strict=True) if size)
            raise UserError(
                f"{path} would be written, but is there already, and not from an "
                "interrupted translation. Move it away, or name another output."
            )
        # The newest entry whose bytes all exist.
        committed = next(
            (
                state
                for state in reversed(states)
                if len(state.sizes) == len(sizes)
                and all(map(int.__le__, state.sizes, sizes))
            ),
            empty,
        )
        if not committed.lines:
            return empty
        if not resume:
            raise UnfinishedOutputError(
                f"{self.partial[0]} holds {committed.lines:,} lines of a translation "
                "that was interrupted. Add --resume to go on, or remove it to begin "
                "anew."
            )
        earlier = entries[0]
        for key in [*earlier, *self.job]:
            if earlier.get(key) != self.job.get(key):
                raise UserError(
                    f"{self.partial[0]} is of another translation: {key} was "
                    f"{earlier.get(key)!r}, is now {self.job.get(key)!r}. Use the same "
                    "run and options, or remove it to begin anew."
                )
        return committed

    def _open(self) -> None:
        """Truncate the partial files to the committed state; rewrite the journal."""
        is_new = not self.committed.lines
        self._streams: list[BinaryIO] = []
        for path, size in zip(self.partial, self.committed.sizes, strict=True):
            stream = path.open("wb" if is_new else "r+b")
            self._streams.append(stream)
            stream.truncate(size)
            stream.seek(size)
        entries = [self.job] if is_new else [self.job, self.committed.__dict__]
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        with atomic_file(self.journal) as file:
            file.write(text.encode())
        self._journal_stream = self.journal.open("ab")

    def _digest(self) -> str:
        return self._sha256.hexdigest()

    def _write_error(self, error: OSError) -> UserError:
        return UserError(
            f"{self.partial[0]} cannot be written: {error.strerror or error}. Mend "
            "that, then resume."
        )


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Read a journal's job and states; its last line may be incomplete."""
    entries: list[dict[str, Any]] = []
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        for number, line in enumerate(lines):
            entry = json.loads(line)
            keys = {"lines", "digest", "sizes"}
            if not isinstance(entry, dict) or (number and set(entry) != keys):
                break
            entries.append(entry)
    except (OSError, ValueError):
        pass
    return entries
