"""Trials of inputs: hostile lines, damaged and malicious files, mistaken recipes."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import time

import hostile
from trials import Bench, finish, moments, new_run

from seq2seq.engines.onnx.engine import FILES
from seq2seq.errors import RecipeError, UserError
from seq2seq.recipe.loader import read_recipe
from seq2seq.runs.checkpoint_reader import read_checkpoint
from seq2seq.translate import Translator


def lines(bench: Bench, number: int) -> str:
    """A thousand hostile lines: as many come out, in order, a blank for a blank."""
    moments(bench)
    translator = Translator.load(bench.folder / "whole")
    sources = [hostile.line(number * 1000 + i) for i in range(1000)]
    sources[::10] = [f"the dog {i % 7}" for i in range(100)]
    translations = translator(sources, beam_size=1)
    expected = [translator([f"the dog {i}"], beam_size=1)[0] for i in range(7)]
    if len(translations) != len(sources):
        return f"{len(sources)} lines in, {len(translations)} out"
    if translations[::10] != [expected[i % 7] for i in range(100)]:
        return "the order changed"
    if any("\n" in line or "\r" in line for line in translations):
        return "a line became two"
    blank = [
        i for i, line in enumerate(sources) if not line.strip() and translations[i]
    ]
    return f"line {blank[0]} is blank, its translation is not" if blank else ""


# Files to damage, and the options with which translating reads them.
DAMAGED: dict[str, tuple[str, ...]] = {
    "recipe.yaml": (),
    "tokenizer/source.model": (),
    "tokenizer/target.model": (),
    "checkpoints/best.ckpt": (),
    "SHA256SUMS": (),
    "shortlist/table.npz": ("--shortlist", "20"),
}
EXPORTS = {
    f"{kind}/{name}": ("--engine", kind)
    for kind in ("onnx", "onnx-int8")
    for name in (*FILES, "SHA256SUMS")
}


def damageable_files(bench: Bench) -> dict[str, tuple[str, ...]]:
    """List the files to damage, after making those that are missing."""
    moments(bench)
    whole = bench.folder / "whole"
    if not (whole / "shortlist").is_dir():
        assert bench.command("shortlist", "whole") == 0, bench.read_output()
    if importlib.util.find_spec("onnx") is None:
        return DAMAGED
    for kind, more in (("onnx", []), ("onnx-int8", ["--int8"])):
        if not (whole / kind).is_dir():
            done = bench.command("export", "whole", "--engine", "onnx", *more)
            assert done == 0, bench.read_output()
    return {**DAMAGED, **EXPORTS}


def damage(bench: Bench, number: int) -> str:
    """Cut an artifact off or flip a bit: refused in one line, exit status not 0."""
    artifacts = damageable_files(bench)
    copy = bench.folder / new_run(bench, "damaged")
    shutil.copytree(bench.folder / "whole", copy)
    name = list(artifacts)[number % len(artifacts)]
    what = hostile.damage(copy / name, number * 97 % 200)

    def close_stdin() -> None:
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123, for a process that ends

    status = bench.command("translate", str(copy), *artifacts[name], before=close_stdin)
    output = bench.read_output()
    if status in (1, 2) and output.count("\n") == 1:
        return ""
    return f"{name}, {what}: status {status}: {output[-300:]!r}"


def damaged_cache(bench: Bench, number: int) -> str:
    """Damage the cache of preprocessed data: it is rebuilt, and the run is the same."""
    moments(bench)
    [folder] = [path for path in (bench.folder / "cache").iterdir() if path.is_dir()]
    files = sorted(folder.iterdir())
    what = hostile.damage(files[number % len(files)], number * 97 % 200)
    run = new_run(bench, "recached")
    if failure := finish(bench, run):
        return f"{files[number % len(files)].name}, {what}: {failure}"
    return ""


def pickles(bench: Bench, number: int) -> str:
    """Malicious checkpoints of every kind: refused, and no code runs."""
    folder = bench.folder / new_run(bench, "malicious")
    folder.mkdir()
    mark = folder / "code-ran"
    for kind, path in hostile.malicious(folder, mark).items():
        try:
            read_checkpoint(path)
        except UserError:
            pass
        else:
            return f"{kind}: it was read"
        if mark.exists():
            return f"{kind}: its code ran"
    return ""


def recipes(bench: Bench, number: int) -> str:
    """A recipe with mistakes: all of them at once, each with its line, in a second."""
    text, mistakes = hostile.recipe(number)
    path = bench.folder / "mistaken.yaml"
    path.write_text(text)
    started = time.process_time()
    try:
        read_recipe("mistaken.yaml")
    except RecipeError as error:
        errors = str(error).splitlines()
    else:
        return f"no error was reported for {text!r}"
    if time.process_time() - started > 1:
        return "it took over a second"
    if len(errors) < mistakes:
        return f"{len(errors)} of {mistakes} errors: {errors}"
    wrong = [
        line for line in errors if not re.match(r"mistaken\.yaml:\d+: [\w.]+", line)
    ]
    return f"without a location: {wrong}" if wrong else ""
