"""Translators' files: TMX memories, read as a stream, and gettext's PO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2seq.data.readers import one_line
from seq2seq.errors import UserError
from seq2seq.prepare.columns import order_languages
from seq2seq.prepare.raw_pairs import MAX_CELL, Extract, ImportOptions, RawPair
from seq2seq.utils.extras import import_extra
from seq2seq.utils.files import open_binary
from seq2seq.utils.language_guess import guess_language
from seq2seq.utils.languages import primary_subtag

_XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_INLINE_CODES = ("bpt", "ept", "ph", "it", "ut")
"""Elements of TMX 1.4 whose content is markup of the document, not its text."""

_MAX_PO_BYTES = 256 << 20


def read_tmx(path: Path, options: ImportOptions) -> Extract:
    """Read a translation memory (TMX 1.4b): a pair of each unit, variants by language.

    Raises:
        UserError: If it is not sound, or it is not clear which languages are meant.
    """
    languages: Counter[str] = Counter()
    first = ""
    for source, unit in _units(path):
        languages.update(list(unit))
        first = first or source
    if not languages:
        raise UserError(f"{path} has no translation units with their languages.")
    order = sorted(languages, key=lambda code: (code != first, -languages[code]))
    chosen = order_languages(path, order, options)
    if options.source is None and options.target is None:
        why = "the source by the file's header" if first else "named by the file"
    else:
        why = "as given"
    shown = f"{chosen[0]} to {chosen[1]}, {why}"
    note = f"{path.name}: units in {' and '.join(order)}; {shown}"
    return Extract(_wanted(chosen, options), _tmx_pairs(path, chosen), [note])


def _wanted(chosen: tuple[str, str], options: ImportOptions) -> tuple[str, str]:
    """Return the languages as the user writes them: zh-Hans where the file has zh."""
    return options.source or chosen[0], options.target or chosen[1]


def _tmx_pairs(path: Path, languages: tuple[str, str]) -> Iterator[RawPair]:
    for number, (_, unit) in enumerate(_units(path), 1):
        source, target = (unit.get(language, "") for language in languages)
        yield RawPair(f"{path.name}:unit {number}", source, target)


def _units(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the source language of the file, and the first text of each language."""
    parser = import_extra("defusedxml.ElementTree", path)
    source = ""
    try:
        with open_binary(path) as stream:
            parent: Any = None  # Of the units.
            # Entities are refused, so that none can expand to gigabytes.
            for event, element in parser.iterparse(stream, ("start", "end")):
                tag = element.tag.rpartition("}")[2]
                if event == "start":
                    parent = element if parent is None or tag == "body" else parent
                elif tag == "header":
                    code = element.get("srclang", "")
                    source = "" if code == "*all*" else primary_subtag(code)
                elif tag == "tu":
                    yield source, _variants(element)
                    parent.clear()  # What was read is let go.
    except UserError:
        raise
    except (ValueError, SyntaxError, RecursionError) as error:  # Of ElementTree too.
        raise UserError(
            f"{path} is no sound TMX file: {one_line(error) or type(error).__name__}. "
            "Export it again."
        ) from error


def _variants(unit: Any) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in unit.iter():
        if variant.tag.rpartition("}")[2] != "tuv":
            continue
        code = variant.get(_XML_LANGUAGE) or variant.get("lang") or ""
        segment = next(
            (e for e in variant.iter() if e.tag.rpartition("}")[2] == "seg"), None
        )
        if code and segment is not None:
            text = "".join(_visible(segment))[:MAX_CELL]
            texts.setdefault(primary_subtag(code), text)
    return texts


def _visible(element: Any) -> Iterator[str]:
    """Yield the text in an element, without the markup in inline codes."""
    yield element.text or ""
    for child in element:
        if child.tag.rpartition("}")[2] not in _INLINE_CODES:
            yield from _visible(child)
        yield child.tail or ""


def read_po(path: Path, options: ImportOptions) -> Extract:
    """Read the messages of a gettext file; plural forms are pairs of their own.

    Raises:
        UserError: If it is not sound, or a language is not clear.
    """
    pypo = import_extra("translate.storage.pypo", path)
    try:
        with open_binary(path) as stream:
            content = stream.read(_MAX_PO_BYTES + 1)
        if len(content) > _MAX_PO_BYTES:
            raise UserError(f"{path} has more than {_MAX_PO_BYTES >> 20} MiB.")
        store = pypo.pofile.parsestring(content)
        header = store.parseheader()
        pairs = [*_po_pairs(path, store)]
    except UserError:
        raise
    # The toolkit raises whatever its parsers do.
    except Exception as error:
        raise UserError(
            f"{path} is no sound PO file: {one_line(error)}. Check it: msgfmt -c {path}"
        ) from error
    if not pairs:
        raise UserError(f"{path} has no messages.")
    languages, notes = [], []
    fields = ("X-Source-Language", "Language")
    for side, field in enumerate(fields):
        given = (options.source, options.target)[side]
        named = primary_subtag(header.get(field, ""))
        language = given or named or guess_language([pair[side + 1] for pair in pairs])
        if language is None:
            option = ("--source", "--target")[side]
            raise UserError(
                f"{path}: its header has no {field}, and the language is not known by "
                f"its words. Name it: {option} CODE"
            )
        how = "as given" if given else "by its header" if named else "by its words"
        languages.append(language)
        notes.append(f"{language} ({how})")
    note = f"{path.name}: messages in {notes[0]}, translations in {notes[1]}"
    return Extract((languages[0], languages[1]), pairs, [note])


def _po_pairs(path: Path, store: Any) -> Iterator[RawPair]:
    for number, unit in enumerate(store.units, 1):
        if unit.isheader() or unit.isobsolete() or unit.isblank():
            continue
        origin = f"{path.name}:message {number}"
        reason = "it is marked as fuzzy" if unit.isfuzzy() else ""
        ends = [(str(unit.source), str(unit.target))]
        if unit.hasplural():  # The singular, and the last plural form.
            sources, targets = unit.source.strings, unit.target.strings
            ends = [(str(s), str(t)) for s, t in zip(sources, targets, strict=False)][
                :1
            ]
            ends.append((str(sources[-1]), str(targets[-1])))
        for source, target in ends:
            yield RawPair(origin, source[:MAX_CELL], target[:MAX_CELL], "", reason)
