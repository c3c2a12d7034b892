"""The wheel and the sdist: what is in them, and that they work outside a checkout."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("build", reason="needs the extra release")
pytest.importorskip("hatchling", reason="needs the extra release")
pytest.importorskip("twine", reason="needs the extra release")

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / ".git").exists():
    pytest.skip("compares with a checkout", allow_module_level=True)
NOT_SHIPPED = {"dev", "release", "mutants", "docs", "all"}
"""Extras of those who work on the package; `all` is for those who use it."""

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path = ROOT, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=variables.pop("input", ""),
        env={**os.environ, "PYTHONPATH": "", **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*paths: str) -> set[str]:
    """Files of the checkout that git knows or would add."""
    return set(run("git", "ls-files", "-co", "--exclude-standard", *paths).splitlines())


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    run(*command, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("seq2seq_recurrent-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel.

    Its dependencies are those of this environment: to install torch takes minutes.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    scheme = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=scheme))
    # Paths in a .pth file come last, and the .pth files there are not read: the
    # checkout, if installed as editable, is not importable.
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(here), encoding="utf-8")
    scripts = Path(sysconfig.get_path("scripts", vars=scheme))
    python = scripts / Path(sys.executable).name
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index",
        "--no-deps", "--disable-pip-version-check", wheel)  # fmt: skip
    return python


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_index_would_take_both(dist: Path) -> None:
    files = sorted(dist.iterdir())
    assert len(files) == 2
    run(sys.executable, "-m", "twine", "check", "--strict", *files)


def test_the_sdist_builds_the_wheel_of_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel"]
    run(*command, "--outdir", tmp_path, ROOT)
    direct = tmp_path / wheel.name
    assert (
        hashlib.sha256(direct.read_bytes()).digest()
        == hashlib.sha256(wheel.read_bytes()).digest()
    )


def test_the_wheel_has_the_package_and_nothing_of_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        name if name.startswith("seq2seq/") else f"seq2seq/{name}"
        for name in tracked("seq2seq", "recipes")
    }
    assert names == expected
    assert {"seq2seq/demo/model.safetensors", "seq2seq/recipes/quickstart.yaml"} < names


def test_the_sdist_has_every_file_of_the_checkout(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - names == {".gitattributes"}
    assert names - tracked() == {"PKG-INFO"}


def test_the_extra_all_is_every_extra_of_users(wheel: Path) -> None:
    required: dict[str, set[str]] = {}
    for line in metadata(wheel).get_all("Requires-Dist", []):
        name, _, extra = line.partition("; extra == ")
        required.setdefault(extra.strip("'"), set()).add(name)
    users = set(required) - NOT_SHIPPED - {""}
    assert len(users) >= 9
    assert required["all"] == set().union(*(required[extra] for extra in users))


def test_the_demo_translates_and_recipes_are_there_outside_the_checkout(
    python: Path, tmp_path: Path
) -> None:
    command = python.parent / "seq2seq"
    line = "The old man buys a red car.\n"
    text = run(command, "translate", "demo", cwd=tmp_path, input=line)
    assert text == "Der alte Mann kauft ein rotes Auto.\n"
    assert "quickstart" in run(command, "recipe", "ls", cwd=tmp_path)
    where = run(python, "-c", "import seq2seq; print(seq2seq.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])
    assert not list(tmp_path.iterdir())


def test_a_report_of_the_installed_package_finds_its_templates(
    python: Path, tmp_path: Path
) -> None:
    for name, text in (("a.de", "Ein Hund.\nJa.\n"), ("b.de", "Ein Hund.\nNein.\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = ["--reference", "b.de", "--language", "de", "--output", "page"]
    run(python.parent / "seq2seq", "report", "a.de", *options, cwd=tmp_path)
    assert (tmp_path / "page" / "report.html").is_file()
