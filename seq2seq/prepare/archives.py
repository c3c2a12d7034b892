"""ZIP archives of OPUS: the pair of text files in one.

Nothing is unpacked to the disk, so no name of a member is a path there.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from seq2seq.errors import UserError, misaligned_error
from seq2seq.prepare.columns import order_languages
from seq2seq.prepare.raw_pairs import MAX_CELL, Extract, ImportOptions, RawPair
from seq2seq.utils.archives import check_archive
from seq2seq.utils.files import decode_lines
from seq2seq.utils.languages import is_language


def read_opus(path: Path, options: ImportOptions) -> Extract:
    """Read the two parallel text files in an archive, as OPUS makes them.

    They are called NAME.en and NAME.de, with the codes of their languages.

    Raises:
        UserError: If there are no two, or more than one NAME has some.
    """
    stems: dict[str, dict[str, zipfile.ZipInfo]] = defaultdict(dict)
    for member in check_archive(path):
        name = PurePosixPath(member.filename)
        language = name.suffix[1:]
        if member.is_dir() or stat.S_ISLNK(member.external_attr >> 16):
            continue
        if is_language(language) and name.parts[0] != "__MACOSX":
            stems[str(name.with_suffix(""))][language] = member
    parallel = {stem: files for stem, files in stems.items() if len(files) > 1}
    if len(parallel) != 1:
        with zipfile.ZipFile(path) as archive:
            names = ", ".join(map(repr, archive.namelist()[:6])) or "nothing"
        raise UserError(
            f"{path} has not one pair of text files such as NAME.en and NAME.de: it "
            f"holds {names}. Unpack it, and import the files."
        )
    (stem, files) = next(iter(parallel.items()))
    languages = order_languages(path, list(files), options)
    members = [files[language] for language in languages]
    note = f"{path.name}: {stem}.{languages[0]} and .{languages[1]}"
    return Extract(languages, _member_pairs(path, members), [note])


def _member_pairs(path: Path, members: list[zipfile.ZipInfo]) -> Iterator[RawPair]:
    names = [f"{path.name}:{PurePosixPath(m.filename).name}" for m in members]
    try:
        with zipfile.ZipFile(path) as archive, ExitStack() as stack:
            sides = [
                decode_lines(
                    cast(BinaryIO, stack.enter_context(archive.open(member))), name
                )
                for member, name in zip(members, names, strict=True)
            ]
            for number, (source, target) in enumerate(zip_longest(*sides), 1):
                if source is None or target is None:
                    ended, longer = names if source is None else names[::-1]
                    raise misaligned_error(
                        f"{ended} has {number - 1:,} lines but {longer} has more"
                    )
                if source.strip() or target.strip():
                    yield RawPair(
                        f"{names[0]}:{number}", source[:MAX_CELL], target[:MAX_CELL]
                    )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged: {error}. Fetch it again.") from error
