"""What not every system has is used in known places, which do without it."""

from __future__ import annotations

import ast
import builtins
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import seq2seq
from seq2seq.benchmark.machine import ResourceMeter, process_uptime
from seq2seq.data import preprocessing
from seq2seq.errors import UserError
from seq2seq.evaluation.external_metrics import parse_metrics, run_metric
from seq2seq.runs.run_folder import hardware_info
from seq2seq.training import doctor
from seq2seq.utils.files import atomic_file
from seq2seq.utils.memory import is_oom_error, peak_rss_mib

PACKAGE = Path(seq2seq.__file__).parent

# By the documentation of Python's modules: "Availability: Unix" or "Linux".
_OS = """
O_DIRECTORY O_NOFOLLOW WNOHANG chown chroot ctermid fchmod fchown fork forkpty getegid
geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getsid getuid initgroups
killpg lchown lockf mkfifo mknod nice openpty posix_fadvise posix_fallocate posix_spawn
pread pwrite register_at_fork sched_getaffinity sched_setaffinity sendfile setegid
seteuid setgid setpgid setpriority setsid setuid statvfs sync sysconf tcgetpgrp
uname wait wait3 wait4 waitid
"""
_SIGNAL = """
SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGTSTP
SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIG_BLOCK alarm getitimer pause
pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait
"""
NOT_EVERYWHERE = {"os": _OS.split(), "signal": _SIGNAL.split()}
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "select", "termios"}
POSIX_MODULES |= {"readline", "syslog", "tty"}

# Each is tried, asked for by hasattr, or reached only after a file of Linux was read;
# a test below takes it away.
GUARDED = {
    ("data/preprocessing.py", "os.sched_getaffinity"),
    ("benchmark/machine.py", "os.sysconf"),
    ("evaluation/external_metrics.py", "os.killpg"),
    ("evaluation/external_metrics.py", "signal.SIGKILL"),
    ("utils/files.py", "os.O_DIRECTORY"),
    ("utils/memory.py", "resource"),
}


def unportable(tree: ast.AST) -> set[str]:
    """Attributes and modules of a file that some systems lack, and text by locale."""
    uses = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in NOT_EVERYWHERE.get(node.value.id, ()):
                uses.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Import):
            uses |= {alias.name for alias in node.names} & POSIX_MODULES
        elif isinstance(node, ast.ImportFrom):
            uses |= {str(node.module)} & POSIX_MODULES
            if node.module in NOT_EVERYWHERE:
                names = {alias.name for alias in node.names}
                uses |= names.intersection(NOT_EVERYWHERE[node.module])
        elif isinstance(node, ast.Call):
            uses |= unportable_call(node)
    return uses


def unportable_call(call: ast.Call) -> set[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    constants = [a.value for a in arguments if isinstance(a, ast.Constant)]
    keywords = {keyword.arg for keyword in call.keywords}
    if name in ("get_context", "set_start_method") and "spawn" not in constants:
        return {f"{name} without spawn"}
    if name in ("symlink", "symlink_to", "hardlink_to"):
        return {name}
    text = name in ("read_text", "write_text") or (
        name in ("open", "fdopen", "FileHandler")
        and not any(isinstance(c, str) and "b" in c for c in constants)
        and any(isinstance(c, str) and set(c) <= set("rwxa+") for c in constants)
    )
    encoded = "encoding" in keywords or "utf-8" in constants
    return {f"{name} without encoding"} if text and not encoded else set()


def test_unportable_calls_stand_in_known_guarded_places() -> None:
    uses = {
        (path.relative_to(PACKAGE).as_posix(), use)
        for path in PACKAGE.rglob("*.py")
        for use in unportable(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert uses == GUARDED


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("import os\nos.getuid()", "os.getuid"),
        ("import signal\nsignal.SIGUSR1", "signal.SIGUSR1"),
        ("from signal import SIGHUP", "SIGHUP"),
        ("import fcntl", "fcntl"),
        ("from resource import getrusage", "resource"),
        ("get_context('fork')", "get_context without spawn"),
        ("path.write_text('a')", "write_text without encoding"),
        ("path.open('w')", "open without encoding"),
        ("path.symlink_to(other)", "symlink_to"),
    ],
)
def test_an_unportable_call_is_recognised(code: str, use: str) -> None:
    assert unportable(ast.parse(code)) == {use}


def test_file_names_hold_no_character_that_windows_refuses() -> None:
    for path in PACKAGE.rglob("*"):
        assert not set('<>:"|?*\\') & set(path.name)


# Without it ---------------------------------------------------------------------------


def test_threads_are_counted_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert preprocessing.available_cores() == 7


def test_a_metric_that_is_late_ends_without_process_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "killpg", raising=False)
    code = "import time; time.sleep(60)"
    command = f"M={shlex.quote(sys.executable)} -c '{code}' {{hypothesis}}"
    (metric,) = parse_metrics([command], timeout=0.1)
    with pytest.raises(UserError, match="no result"):
        run_metric(metric, ["a"], sources=[], references=["a"])


def test_a_file_is_written_where_folders_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open

    def refuse_folders(path: Any, *more: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return open_file(path, *more, **options)

    monkeypatch.setattr(os, "open", refuse_folders)
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)
    with atomic_file(tmp_path / "file") as file:
        file.write(b"text")
    assert (tmp_path / "file").read_bytes() == b"text"


def test_memory_is_unknown_without_the_module_resource(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peak = peak_rss_mib()
    assert peak is None or 10 < peak < 1 << 20
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_rss_mib() is None
    assert doctor._peak_mib(torch.device("cpu")) is None
    assert "peak_rss_mib" not in ResourceMeter().cost()


def test_nothing_of_proc_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_proc(path: Any, *more: Any, **options: Any) -> Any:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return open_file(path, *more, **options)

    open_file = builtins.open
    monkeypatch.setattr("io.open", refuse_proc)
    monkeypatch.setattr(builtins, "open", refuse_proc)
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert process_uptime() > 0
    assert "others_cpu_share" not in ResourceMeter().cost()
    assert "cores" in hardware_info()


def test_a_full_memory_is_recognised_in_the_words_of_every_system() -> None:
    for words in ("can't allocate memory", "not enough memory"):
        assert is_oom_error(RuntimeError(f"DefaultCPUAllocator: {words}: you tried to"))
    assert not is_oom_error(RuntimeError("shapes differ"))
