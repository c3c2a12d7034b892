"""Generators of hostile, damaged and mistaken files, lines and recipes."""

from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Lines -------------------------------------------------------------------------------

SCRAPS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\0", "\ufeff"]
SCRAPS += [
    "\u200b",
    "\u202e",
    "\x1b[2J",
    "<unk>",
    "<s>",
    "</s>",
    "▁",
    "⁇",
    "你好",
    "🏳️‍🌈",
]
SCRAPS += ["é", "e\u0301" * 3, "<script>alert(1)</script>", "%s%n", "{{7*7}}", "$(id)"]
SCRAPS += ["\ud7ff", "\ue000", "\U0010ffff", "a" * 40, " ", "\t", "the", "dog", "."]


def line(number: int) -> str:
    """Generate a hostile line; the same number gives the same line."""
    draw = random.Random(number)
    if draw.random() < 0.1:
        return draw.choice(["", " ", "\t", "\u3000", "\xa0 "])
    parts = [draw.choice(SCRAPS) for _ in range(draw.randint(1, 8))]
    parts += [
        chr(draw.choice([0x20, 0xA0, 0x370, 0x4E00, 0x1F300]) + draw.randrange(90))
    ]
    draw.shuffle(parts)
    return "".join(parts).replace("\n", " ")


# Checkpoints -------------------------------------------------------------------------


class _Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *values: Any) -> None:
        self.call = function, values

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def _archive(path: Path, pickled: bytes, **parts: bytes) -> None:
    """Write what looks like torch's zip file around any pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
        for name, content in parts.items():
            file.writestr(name, content)


def malicious(folder: Path, mark: Path) -> dict[str, Path]:
    """Write checkpoints of many kinds that would make a file if their code ran.

    Args:
        folder: Where they go.
        mark: The file that their code would make.

    Returns:
        The checkpoints, by kind.
    """
    np.save(folder / "a.npy", np.array([_Calls(os.system, f"touch {mark}")]))
    order, code = f"touch {mark}", f"open({str(mark)!r}, 'w').close()"
    name = str(mark).encode()
    by_hand = {
        "global and reduce": b"cposix\nsystem\n(S'touch " + name + b"'\ntR.",
        "inst": b"(S'touch " + name + b"'\niposix\nsystem\n.",
        "obj": b"(cposix\nsystem\nS'touch " + name + b"'\no.",
        "stack global": pickle.dumps(_Calls(os.system, order), protocol=4),
        "build": b"ctorch._utils\n_rebuild_tensor\n}S'__setstate__'\ncposix\nsystem\nsb"
        b"S'touch " + name + b"'\nb.",
        "getattr": b"c__builtin__\ngetattr\n(cposix\nsystem\nS'__call__'\ntR(S'touch "
        + name
        + b"'\ntR.",
        "extension registry": b"\x82\x01.",
        "persistent id": b"cposix\nsystem\nQ.",
    }
    made = {}
    for kind, pickled in by_hand.items():
        made[kind] = folder / f"{kind}.ckpt"
        _archive(made[kind], pickled)
    imported_os = _Calls(__import__, "os")
    nested = {
        "system in a value": _Calls(os.system, order),
        "eval": _Calls(eval, code),
        "exec": _Calls(exec, code),
        "a chain of calls": _Calls(
            map, _Calls(getattr, imported_os, "system"), [order]
        ),
        "code in a key": {_Calls(os.system, order): 1},
        "code in a list": [[[_Calls(exec, code)]]],
        "pickle in a pickle": _Calls(
            pickle.loads, pickle.dumps(_Calls(os.system, order))
        ),
        "numpy's loader": _Calls(np.load, str(folder / "a.npy"), None, True),
    }
    for kind, value in nested.items():
        made[kind] = folder / f"{kind}.ckpt"
        torch.save({"state_dict": {}, "more": value}, made[kind])
    made["before zip files"] = folder / "before zip files.ckpt"
    torch.save(
        {"state_dict": {}, "more": _Calls(os.system, order)},
        made["before zip files"],
        _use_new_zipfile_serialization=False,
    )
    made["a bare pickle"] = folder / "a bare pickle.ckpt"
    made["a bare pickle"].write_bytes(pickle.dumps(_Calls(os.system, order)))
    made["TorchScript"] = folder / "TorchScript.ckpt"
    torch.jit.save(torch.jit.script(_Doubles()), str(made["TorchScript"]))
    made["paths that lead out"] = folder / "paths that lead out.ckpt"
    _archive(
        made["paths that lead out"],
        b"}.",
        **{f"../../../../../..{mark}": b"x", str(mark): b"x"},
    )
    return made


class _Doubles(torch.nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value * 2


# Damage ------------------------------------------------------------------------------


def damage(path: Path, number: int) -> str:
    """Truncate a file or flip one of its bits; return a description.

    Args:
        path: The file, changed in place.
        number: From 0 to 99, the percentage to keep; from 100, a seed for the bit.
    """
    content = bytearray(path.read_bytes())
    if number < 100:
        path.write_bytes(content[: len(content) * number // 100])
        return f"cut off after {number}%"
    bit = random.Random(number).randrange(len(content) * 8)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"bit {bit} flipped"


# Recipes -----------------------------------------------------------------------------

_MISTAKES = [
    ("model", "dropout: 1.5"),
    ("model", "dropot: 0.1"),
    ("model", "embedding_size: many"),
    ("model", "bridge: golden_gate"),
    ("model", "word_dropout: -1"),
    ("train", "max_steps: 0"),
    ("train", "clip_norm: .nan"),
    ("train", "monitor: [bleu]"),
    ("train", "ema_decay: yes"),
    ("train", "optimizer: {kind: adamm}"),
    ("train", "batch_tokens: 1e99"),
    ("tokenizer", "vocab_size: 7"),
    ("tokenizer", "model_type: {a: b}"),
    ("data", "splits: {train: ../../etc/passwd}"),
    ("data", "max_pairs: -3"),
    ("data", "config: 3"),
    ("search", "beam_size: 0"),
    ("search", "beam: 3"),
]


def recipe(number: int) -> tuple[str, int]:
    """Return a recipe with one to six mistakes, and their number."""
    draw = random.Random(number)
    made = draw.sample(_MISTAKES, draw.randint(1, 6))
    sections: dict[str, list[str]] = {
        "data": ["path: phrasebook", "source: en", "target: de"],
        "train": [],
    }
    for section, mistake in made:
        sections.setdefault(section, []).append(mistake)
    if not any(mistake.startswith("max_steps") for mistake in sections["train"]):
        sections["train"].append("max_steps: 10")
    text = ""
    for section in draw.sample(sorted(sections), len(sections)):
        keys = draw.sample(sections[section], len(sections[section]))
        text += f"{section}:\n" + "".join(f"  {key}\n" for key in keys)
    return text, len(made)
