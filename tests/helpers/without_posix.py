"""Run commands as on a system without POSIX: `python without_posix.py FILE`.

FILE holds a command line a line, words in JSON. What other packages need of POSIX they
have got when they were imported. Afterwards modules, functions and signals that Windows
lacks are missing, and a file that is open in this process can be neither renamed nor
replaced nor removed.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import datasets  # noqa: F401
import filelock  # noqa: F401
import lightning.pytorch  # noqa: F401
import matplotlib.pyplot
import onnxruntime  # noqa: F401
import rich.progress  # noqa: F401
import sacrebleu  # noqa: F401
import torch.utils.data  # noqa: F401
import typer.testing  # noqa: F401

from tests.unit.test_portability import NOT_EVERYWHERE, POSIX_MODULES

# What Lightning, PyArrow and others use on Linux and have another way for on Windows.
KEPT = {
    "select",
    "posix",
    "pread",
    "uname",
    "SIGKILL",
    "SIGSTOP",
    "SIGUSR1",
    "sendfile",
}


def open_files() -> set[str]:
    """Paths of the files that this process has open, or mapped into its memory."""
    process = pathlib.Path("/proc/self")
    maps = (process / "maps").read_text(encoding="utf-8").splitlines()
    paths = {line.split(maxsplit=5)[-1] for line in maps}
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):  # The one of this loop.
            paths.add(str(descriptor.readlink()))
    return paths


def refusing(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Let a function refuse open files among its first arguments."""

    def checked(*arguments: Any, **options: Any) -> Any:
        for path in arguments[:count]:
            if os.path.realpath(path) in open_files():
                raise PermissionError(13, "used by another process", str(path))
        return function(*arguments, **options)

    return checked


def remove_posix() -> None:
    for module in (os, signal):
        for name in NOT_EVERYWHERE[module.__name__]:
            if name not in KEPT and hasattr(module, name):
                delattr(module, name)
    for name in POSIX_MODULES - KEPT:
        sys.modules[name] = None  # type: ignore[assignment]
    for name, count in (("replace", 2), ("rename", 2), ("unlink", 1), ("remove", 1)):
        checked = refusing(getattr(os, name), count)
        setattr(os, name, checked)
        if name != "remove":
            # Python 3.10 binds pathlib's functions when it is imported.
            setattr(pathlib.Path, name, path_method(checked, name))


def path_method(checked: Callable[..., Any], name: str) -> Callable[..., Any]:
    if name == "unlink":

        def unlink(self: pathlib.Path, missing_ok: bool = False) -> None:
            try:
                checked(self)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        return unlink

    def move(self: pathlib.Path, target: Any) -> pathlib.Path:
        checked(self, target)
        return type(self)(target)

    return move


def main() -> None:
    from seq2seq.cli import main as command_line

    matplotlib.use("agg")
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    remove_posix()
    for line in lines:
        sys.argv = ["seq2seq", *json.loads(line)]
        try:
            command_line()
        except SystemExit as end:
            print(f"{' '.join(sys.argv)}: {end.code}", file=sys.stderr)
            if end.code:
                raise


main()
