"""Strict YAML on PyYAML's parser: unambiguous scalars, and a line for every value.

Anchors, aliases, merge keys, tags, directives, duplicate keys and second documents are
errors, so a few bytes cannot grow into gigabytes and no line overrules another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from seq2seq.errors import RecipeError
from seq2seq.utils.text import has_surrogate

MAX_BYTES = 1 << 16
"""The longest file that is read: enough for any recipe, and soon refused."""
MAX_DEPTH = 32
"""The deepest nesting of lists and mappings."""
MAX_FAULTS = 100
"""An error message shows so many faults, and the number of the others."""
MAX_SHOWN = 60
"""An error message shows so many characters of a value."""

Scalar: TypeAlias = "str | int | float | bool | None"

_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
# Below the limits of int(str) and of turning an integer into a float.
_MAX_DIGITS = 300


class Location(NamedTuple):
    """Where something is said: a line of a file, or a source without lines."""

    source: str
    line: int | None
    """From 1; None for what has no lines, such as an option of the command line."""

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class Node(NamedTuple):
    """A value and where it stands."""

    value: Scalar | list[Node] | dict[str, Node]
    location: Location
    """Of a scalar itself; of a list or mapping under a key, the location of the key."""
    key: Location
    """Of the key that the value belongs to; without one, of the value."""
    written: str = ""
    """A number as its author wrote it."""
    comment: str = ""
    """Comments above the key and behind it in its line, a line each, with their #."""


class ConfigError(NamedTuple):
    """One thing that is wrong."""

    location: Location
    text: str
    hint: str = ""
    """What may have been meant; the same fault can have another hint."""


def to_recipe_error(faults: Iterable[ConfigError]) -> RecipeError:
    """Make one error of many faults, sorted by file and line; lineless sources last.

    Characters that a terminal would obey are escaped.

    Args:
        faults: What is wrong; the same fault twice is shown once.

    Returns:
        The error to raise, with a line `location: text` for each fault.
    """
    unique = sorted(
        set(faults),
        key=lambda f: (f.location.line is None, f.location[0], f.location[1:], f[1:]),
    )
    lines = [_printable(f"{f.location}: {f.text}{f.hint}") for f in unique[:MAX_FAULTS]]
    if more := len(unique) - len(lines):
        source = _printable(unique[-1].location.source)
        lines.append(f"{source}: and {more:,} more faults")
    return RecipeError("\n".join(lines))


def recipe_error(location: Location, text: str) -> RecipeError:
    """Make an error of one fault."""
    return to_recipe_error([ConfigError(location, text)])


def read_yaml(path: Path, source: str) -> Node:
    """Read a YAML file strictly.

    Args:
        path: The file: UTF-8, at most `MAX_BYTES`.
        source: What error messages call it.

    Returns:
        The top value; null if the file says nothing.

    Raises:
        RecipeError: If the file is missing, unreadable, too big, not UTF-8, not YAML or
            not strict; with every fault up to the first that stops the reading.
    """
    whole = Location(source, None)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise recipe_error(whole, "no such file") from None
    except IsADirectoryError:
        raise recipe_error(whole, "a folder, not a recipe file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise recipe_error(whole, f"cannot be read: {reason}") from error
    if len(raw) > MAX_BYTES:
        text = f"larger than {MAX_BYTES:,} bytes, which no recipe needs"
        raise recipe_error(whole, text)
    try:
        return parse_yaml(raw.decode("utf-8-sig"), Location(source, 1))
    except UnicodeDecodeError as error:
        # The position counts from behind a byte-order mark, which has no line feed.
        line = error.object.count(b"\n", 0, error.start) + 1
        text = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise recipe_error(Location(source, line), text) from error


def parse_yaml(text: str, start: Location) -> Node:
    """Parse YAML strictly.

    Args:
        text: One YAML document.
        start: Where its first line stands; without a line, nor have its values one.

    Returns:
        The top value; null if the text says nothing.

    Raises:
        RecipeError: If the text is not YAML or not strict.
    """
    return _Composer(text, start).document()


def plain_scalar(text: str) -> Scalar:
    """Say what a scalar without quotes means.

    Only `true` and `false` are Boolean; only `null`, `~` and nothing are null; a number
    is plain decimal, of at most 300 characters: 12, -0.5, .5, 1e-3. Anything else is a
    string: no, Yes, 007, 0x1F, 1_000, 12:30, .inf, 2024-01-31.

    Args:
        text: The scalar, without white space around it.

    Returns:
        Its value.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
        return text
    return int(text) if _INTEGER.fullmatch(text) else float(text)


def format_value(node: Node) -> str:
    """Show a value in an error message: as it was written, but no longer than needed.

    Args:
        node: The value.

    Returns:
        At most some `MAX_SHOWN` characters; strings stand in quotes.
    """
    value = node.value
    if isinstance(value, str):
        return f"'{truncate(value)}'"
    if isinstance(value, list):
        return truncate(f"[{', '.join(map(format_value, value[:MAX_SHOWN]))}]")
    if isinstance(value, dict):
        few = list(value.items())[:MAX_SHOWN]
        return truncate(
            "{" + ", ".join(f"{k}: {format_value(v)}" for k, v in few) + "}"
        )
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return truncate(node.written or str(value))


def truncate(text: str) -> str:
    """Cut a text for an error message to `MAX_SHOWN` characters."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _printable(text: str) -> str:
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def _comments_by_line(text: str) -> dict[int, str]:
    """Find comments: behind the last token of a line, and alone on the lines above.

    Args:
        text: YAML; where it is none, the comments up to there are returned.

    Returns:
        Lines, from 0, with the comments that belong to them.
    """
    if "#" not in text:
        return {}
    ends: dict[int, int] = {}
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            first, last = token.start_mark, token.end_mark
            for mark in (first, last):
                ends[mark.line] = max(ends.get(mark.line, 0), mark.column)
            ends |= dict.fromkeys(range(first.line + 1, last.line), -1)
    except (yaml.YAMLError, ValueError, OverflowError):
        pass
    comments, above = {}, list[str]()
    for number, line in enumerate(text.splitlines()):
        if (end := ends.get(number, 0)) < 0:
            continue  # Within a string of several lines.
        if (rest := line[end:].strip()).startswith("#"):
            above.append(rest)
        if line[:end].strip() and above:
            comments[number] = "\n".join(above)
            above = []
    return comments


class _Composer:
    """Turns the events of PyYAML's parser into nodes, and notes what is not strict."""

    def __init__(self, text: str, start: Location) -> None:
        self._text = text
        self._start = start
        self._faults: list[ConfigError] = []
        self._comments = _comments_by_line(text)

    def document(self) -> Node:
        """Read the one document."""
        try:
            self._loader = yaml.SafeLoader(self._text)
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position)
            text = f"the character U+{int(error.character):04X} may not stand in YAML"
            raise recipe_error(self._locate(line), text) from error
        try:
            node = self._whole()
        except yaml.MarkedYAMLError as error:
            self._note_syntax(error)
            raise to_recipe_error(self._faults) from error
        except (ValueError, OverflowError) as error:
            if isinstance(error, RecipeError):
                raise
            # PyYAML lets these through: "\UFFFFFFFF", and a version of 5,000 digits.
            self._note(self._loader.get_mark(), f"not YAML: {error}")
            raise to_recipe_error(self._faults) from error
        finally:
            self._loader.dispose()
        if self._faults:
            raise to_recipe_error(self._faults)
        return node

    def _whole(self) -> Node:
        self._next()  # The start of the stream.
        first = self._locate(0)
        node = Node(None, first, first)
        if self._loader.check_event(yaml.DocumentStartEvent):
            start = self._next()
            if start.version or start.tags:
                self._note(start.start_mark, "directives (%) are not allowed")
            node = self._node(())._replace(location=first, key=first)
            self._next()  # The end of the document.
        if self._loader.check_event(yaml.DocumentStartEvent):
            mark = self._peek().start_mark
            self._note(mark, "a second document starts here; a file holds one")
        return node

    def _node(self, path: tuple[str, ...], key: Location | None = None) -> Node:
        event = self._next()
        location = self._locate(event.start_mark.line)
        if len(path) > MAX_DEPTH:
            self._note(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
            raise to_recipe_error(self._faults)
        if isinstance(event, yaml.AliasEvent):
            self._note(event.start_mark, f"aliases (*{event.anchor}) are not allowed")
            return Node(None, location, key or location)
        if event.anchor is not None:
            self._note(event.start_mark, f"anchors (&{event.anchor}) are not allowed")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._note(event.start_mark, f"tags ({truncate(tag)}) are not allowed")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, location, key or location)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not self._loader.check_event(yaml.SequenceEndEvent):
                comment = self._comments.pop(self._peek().start_mark.line, "")
                item = self._node((*path, str(len(items))))
                items.append(item._replace(comment=comment))
            self._next()
            return Node(items, key or location, key or location)
        return Node(self._mapping(path), key or location, key or location)

    def _scalar(
        self, event: yaml.ScalarEvent, location: Location, key: Location
    ) -> Node:
        if has_surrogate(event.value):
            self._note(event.start_mark, "half a surrogate pair is not text")
        if event.style is not None:
            return Node(event.value, location, key)
        return Node(plain_scalar(event.value), location, key, event.value)

    def _mapping(self, path: tuple[str, ...]) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            mark = self._peek().start_mark
            plain = getattr(self._peek(), "style", "") is None
            key = self._node((*path, "?"))
            if not isinstance(key.value, str):
                advice = "; put it in quotes" if plain else ""
                self._note(mark, f"the key {format_value(key)} is not a string{advice}")
            elif plain and key.value == "<<":
                self._note(mark, "merge keys (<<) are not allowed")
            name = key.value if isinstance(key.value, str) else format_value(key)
            comment = self._comments.pop(mark.line, "")
            value = self._node((*path, name), key.location)._replace(comment=comment)
            if name in items:
                shown = truncate(".".join((*path, name)))
                before = items[name].key
                where = "" if before.line is None else f", first in line {before.line}"
                self._note(mark, f"{shown}: duplicate key{where}")
            items.setdefault(name, value)
        self._next()
        return items

    def _next(self) -> Any:
        return self._loader.get_event()  # type: ignore[no-untyped-call]

    def _peek(self) -> Any:
        return self._loader.peek_event()  # type: ignore[no-untyped-call]

    def _locate(self, line: int) -> Location:
        first = self._start.line
        return self._start._replace(line=None if first is None else first + line)

    def _note(self, mark: Any, text: str) -> None:
        self._faults.append(ConfigError(self._locate(mark.line), text))

    def _note_syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark or self._loader.get_mark()
        text = f"not YAML: {error.problem or error.context}"
        begun = error.context_mark
        if error.problem and error.context:
            text += f" {error.context}"
        if begun and begun.line != mark.line and self._start.line is not None:
            text += f" from line {self._locate(begun.line).line}"
        self._note(mark, text)
