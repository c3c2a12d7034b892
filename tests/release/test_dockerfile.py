"""The steps of the Dockerfile, run in a virtual environment in place of a container.

Every line must be one that is understood here. What pip would fetch is not fetched: the
environment shows of the packages installed here those that pip would install, at the
versions of constraints.txt, and hides all others.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.installed import BLOCKER, other_modules

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STEPS = [
    tuple(line.split(" ", 1))
    for line in DOCKERFILE.splitlines()
    if line and not line.startswith("#")
]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a file or folder of the top from the build."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "*"
    return f"!{name}" not in lines


@dataclass
class Container:
    """A folder and an environment that stand for a container.

    Attributes:
        root: The container's root.
        python: The environment's interpreter.
        folder: The working directory.
        requirements: What pip installed.
        instructions: Of ENTRYPOINT, CMD, EXPOSE and HEALTHCHECK the last.
        users: Accounts that were made.
    """

    root: Path
    python: Path
    folder: Path
    requirements: list[str] = field(default_factory=list)
    instructions: dict[str, Any] = field(default_factory=dict)
    users: set[str] = field(default_factory=lambda: {"root"})

    def run(self, instruction: str, rest: str) -> None:
        """Run a step.

        Raises:
            ValueError: If it is not understood.
        """
        if instruction == "WORKDIR":
            self.folder = self.root / rest.lstrip("/")
            self.folder.mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY":
            self.copy(*rest.split())
        elif instruction == "RUN":
            self.command(*shlex.split(rest))
        elif instruction in ("ENTRYPOINT", "CMD"):
            self.instructions[instruction] = json.loads(rest)
        elif instruction == "HEALTHCHECK":
            options, _, command = rest.partition(" CMD ")
            assert all(re.fullmatch(r"--[a-z-]+=\d+s", o) for o in options.split())
            self.instructions[instruction] = json.loads(command)
        elif instruction == "USER":
            assert rest in self.users - {"root"}
        elif instruction == "EXPOSE":
            self.instructions[instruction] = rest
        elif instruction == "ENV":
            assert all(
                re.fullmatch(r"(PIP_\w+|PYTHON\w+)=\w+", e) for e in rest.split()
            )
        elif instruction != "FROM" or self.requirements:
            raise ValueError(f"{instruction} {rest}")

    def copy(self, *names: str) -> None:
        *sources, target = names
        for name in sources:
            assert not ignored(name), f"{name} is not part of the build"
            if (ROOT / name).is_dir():
                assert target == name
                shutil.copytree(ROOT / name, self.folder / target)
            else:
                assert target == "./"
                shutil.copy(ROOT / name, self.folder)

    def command(self, *words: str) -> None:
        match words:
            case ("pip", "install", "--no-deps", "."):
                pip = [sys.executable, "-m", "pip"]
                options = ["-q", "--no-deps", "--no-index", "--no-build-isolation"]
                subprocess.run(
                    [*pip, "wheel", *options, "."], cwd=self.folder, check=True
                )
                (wheel,) = self.folder.glob("*.whl")
                pip += ["--python", str(self.python), "install"]
                subprocess.run([*pip, *options, wheel], check=True)
            case ("pip", "install", "-c", "constraints.txt", *rest):
                assert (self.folder / "constraints.txt").is_file()
                self.require(*rest)
            case ("useradd", "--create-home", name):
                self.users.add(name)
            case _:
                raise ValueError(f"RUN {words}")

    def require(self, *words: str) -> None:
        match words:
            case ():
                return
            case ("--index-url", address, "torch"):
                assert address == CPU_INDEX
                assert not self.requirements, "a later torch would bring CUDA"
                self.requirements.append("torch")
            case ("-r", name, *rest):
                lines = (self.folder / name).read_text("utf-8").splitlines()
                self.requirements += [x for x in lines if not x.startswith("#")]
                self.require(*rest)
            case (name, *rest) if re.fullmatch(r"[a-z]+", name):
                self.requirements.append(name)
                self.require(*rest)
            case _:
                raise ValueError(f"pip install {words}")


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """The container after all steps."""
    pytest.importorskip("hatchling", reason="needs the extra release")
    root = tmp_path_factory.mktemp("container")
    environment = root / "environment"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], check=True
    )
    scheme = {"base": str(environment), "platbase": str(environment)}
    scripts = Path(sysconfig.get_path("scripts", vars=scheme))
    container = Container(root, scripts / Path(sys.executable).name, root)
    for instruction, rest in STEPS:
        container.run(instruction, rest)
    packages = Path(sysconfig.get_path("purelib", vars=scheme))
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(here), encoding="utf-8")
    hidden = f"blocked = {other_modules(container.requirements)!r}\n{BLOCKER}"
    (packages / "sitecustomize.py").write_text(hidden, encoding="utf-8")
    return container


@pytest.fixture(scope="module")
def port(container: Container) -> Iterator[int]:
    """The port of the container, which runs."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    exposed = container.instructions["EXPOSE"]
    program, *words = container.instructions["ENTRYPOINT"]
    assert words.count(exposed) == 1
    words = [str(port) if word == exposed else word for word in words]
    command = [container.python.parent / program, *words]
    server = subprocess.Popen(
        [*command, *container.instructions["CMD"]],
        cwd=container.folder,
        env={**os.environ, "PYTHONPATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if server.poll() is not None or healthy(container, port):
            break
        time.sleep(0.1)
    yield port
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=60)
    assert server.returncode == 0, errors


def healthy(container: Container, port: int) -> bool:
    """Whether HEALTHCHECK says so."""
    program, option, code = container.instructions["HEALTHCHECK"]
    assert (program, option) == ("python", "-c")
    exposed = container.instructions["EXPOSE"]
    assert code.count(exposed) == 1
    code = code.replace(exposed, str(port))
    check = [container.python, "-c", code]
    return not subprocess.run(check, capture_output=True, check=False).returncode


def test_the_image_has_a_python_that_is_supported_and_a_user_who_is_not_root() -> None:
    assert STEPS[0] == ("FROM", "python:3.11-slim")
    instructions = [instruction for instruction, _ in STEPS]
    assert instructions.index("USER") > max(
        index for index, name in enumerate(instructions) if name in ("RUN", "COPY")
    )


def test_the_build_reads_what_is_copied_and_nothing_else() -> None:
    copied = {n for name, rest in STEPS if name == "COPY" for n in rest.split()[:-1]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert [line for line in lines if line[0] != "!"] == ["*", "**/__pycache__"]


def test_the_server_is_installed_as_its_extra_would_be(container: Container) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^serve = \[(.*)\]$", text, re.M)
    names = re.findall(r'"([a-z-]+)', line)
    assert set(names) <= set(container.requirements)


@pytest.mark.slow
def test_the_container_is_healthy_and_translates(
    port: int, container: Container
) -> None:
    assert healthy(container, port)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/translate",
        data=json.dumps(
            {"q": "The old man buys a red car.", "source": "en", "target": "de"}
        ).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        answer = json.loads(response.read())
    assert answer["translatedText"] == "Der alte Mann kauft ein rotes Auto."


@pytest.mark.slow
def test_health_is_refused_where_nothing_listens(container: Container) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        unused: int = probe.getsockname()[1]
    assert not healthy(container, unused)


@pytest.mark.parametrize(
    "step",
    [
        ("RUN", "apt-get install curl"),
        ("RUN", "pip install torch"),
        ("ADD", "https://example.org/model.zip ./"),
        ("COPY", "tests tests"),
        ("USER", "root"),
    ],
    ids=" ".join,
)
def test_a_step_that_is_changed_is_noticed(
    step: tuple[str, str], tmp_path: Path
) -> None:
    container = Container(tmp_path, Path(sys.executable), tmp_path)
    with pytest.raises((ValueError, AssertionError)):
        container.run(*step)
