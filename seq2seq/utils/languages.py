"""Language codes: which are valid, and the language that they begin with.

Source: ISO 639; RFC 5646 (BCP 47) for subtags of script and region.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.utils.text import fold

_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*|[Xx](?:[-_]\w{1,8})+")
_PRIVATE_USE = re.compile(r"x|q[a-t][a-z]")


def primary_subtag(code: str) -> str:
    """Return the language of a code in lower case: zh of zh-Hans, deu of deu_Latn."""
    return re.split("[-_]", code.lower(), maxsplit=1)[0]


def is_language(code: str) -> bool:
    """Return whether a code names a language, or one for private use.

    Valid are ISO 639 with two or three letters, subtags after it (zh-Hans, pt_BR,
    deu_Latn), and the private use of BCP 47: x-NAME, and qaa to qtz.
    """
    if not _CODE.fullmatch(code):
        return False
    primary = primary_subtag(code)
    return bool(_PRIVATE_USE.fullmatch(primary)) or primary in _codes()


def language_name(code: str) -> str:
    """Return a language's English name; its code where it is none of the common."""
    names = _names().get(primary_subtag(code))
    return names[0].title() if names else code


def missing_language_error(command: str) -> UserError:
    """Return the error about files of hypotheses without --language.

    Args:
        command: The command that came, which the message completes.
    """
    return UserError(
        "files of hypotheses need --language, since BLEU's tokenizer depends on it: "
        f"{command} --language de, if that is German."
    )


def check_language(code: str) -> None:
    """Check a code that came as --language.

    Raises:
        UserError: If it names no language.
    """
    if not is_language(code):
        if known := language_of_name(code):
            raise UserError(
                f"--language {code}: ISO 639 has no such code. Give --language {known}"
            )
        name = re.sub(r"\W", "", code)[:8] or "mine"
        raise UserError(
            f"--language {code}: ISO 639 has no such code. Give one such as de, "
            "zh-Hans or deu_Latn (Chinese is zh, Japanese ja, Korean ko); a language "
            f"without a code is x-NAME: --language x-{name}."
        )


def language_warning(code: str) -> str | None:
    """Return a warning if a recipe's name of its target language is no code."""
    if is_language(code):
        return None
    return (
        f"data.target {code!r} is no language code, so BLEU uses the tokenizer 13a, "
        "which does not fit Chinese, Japanese and Korean; for these name the files and "
        "data.target zh, ja or ko."
    )


def language_of_name(name: str) -> str | None:
    """Return the code of a language's name in one of a dozen languages or its own.

    Args:
        name: English, Englisch, anglais, inglés; case does not matter.
    """
    names = language_names()
    return names.get(fold(name)) or names.get(_without_marks(name))


@cache
def language_names() -> dict[str, str]:
    """Return the code of each name, folded as `text.fold` does."""
    return {fold(name): code for code, names in _names().items() for name in names}


@cache
def _names() -> dict[str, list[str]]:
    """Read the names of each language, the English one first."""
    path = Path(__file__).with_name("language_names.txt")
    lines = path.read_text(encoding="utf-8").splitlines()
    split = [line.split(": ", 1) for line in lines if not line.startswith("#")]
    return {code: names.split(", ") for code, names in split}


def _without_marks(name: str) -> str:
    letters = unicodedata.normalize("NFD", fold(name))
    return "".join(c for c in letters if unicodedata.category(c) != "Mn")


@cache
def _codes() -> frozenset[str]:
    """Read the codes, in lower case."""
    path = Path(__file__).with_name("language_codes.txt")
    lines = path.read_text(encoding="ascii").splitlines()
    return frozenset(
        code for line in lines if not line.startswith("#") for code in line.split()
    )
