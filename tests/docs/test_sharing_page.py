"""The commands of docs/sharing.md, as pasted, against a stand-in of the Hub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.helpers.hub_server import Hub
from tests.helpers.runs import make_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sharing.md"

RUN = """
import shlex, sys
from seq2seq.cli import main

def run(line):
    sys.argv = shlex.split(line)
    try:
        main()
    except SystemExit as end:
        assert not end.code, line

"""


def code(section: str, language: str) -> str:
    """The code of a section."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1]
    block = re.search(rf"```{language}\n(.*?)```", text.split("\n## ")[0], re.S)
    assert block
    return block[1]


def test_the_commands_push_and_load_a_model(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "quickstart")
    (tmp_path / "in.txt").write_text("The old man buys a red car.\n")
    hub = Hub()
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": hub.token,
    }

    _, *commands = code("From a run to the Hub", "sh").splitlines()
    commands += code("Load it elsewhere", "sh").splitlines()[::2]
    script = tmp_path / "commands.py"
    script.write_text(f"{RUN}for line in {commands}:\n    run(line)\n")
    with script.open("a") as file:
        file.write(code("Load it elsewhere", "python"))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hub.token not in done.stdout + done.stderr
    assert f"{hub.address}/user/phrasebook-en-de/commit/" in done.stdout
    assert hub.repositories["user/phrasebook-en-de"].private
    command, copy, python = done.stdout.splitlines()[-3:]
    assert python == f"[{command!r}]"
    assert copy.startswith("mine: ")
    assert (tmp_path / "mine" / "SHA256SUMS").is_file()
