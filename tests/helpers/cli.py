"""Run a command within the process, as `seq2seq` would."""

from __future__ import annotations

import contextlib
import io
import sys
from unittest import mock

from seq2seq.cli import main


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            with mock.patch.object(sys, "argv", ["seq2seq", *arguments]):
                main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return status, out.getvalue(), errors.getvalue()
