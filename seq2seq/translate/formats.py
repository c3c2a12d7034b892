"""Forms of lines: plain text, tab-separated columns, JSON objects.

Knows what a line holds and how a translation is written beside it; not files, networks
or windows. A line that comes in is a line that goes out, except that text lists several
translations of a line one below the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from seq2seq.errors import UserError
from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.options import Translation
from seq2seq.utils.files import COMPRESSIONS, DecodeErrorHandler

Form = Literal["text", "tsv", "jsonl"]
FORMS: tuple[str, ...] = get_args(Form)


@dataclass(frozen=True)
class Record:
    """A line that came in.

    Attributes:
        line: As it came.
        text: What of it is to be translated.
        columns: What a tab-separated line keeps of it.
        fields: What a JSON object keeps of it.
        header: Whether it names the columns, so that nothing of it is translated.
        request: What is asked of the translation, where something is.
    """

    line: str
    text: str
    columns: str
    fields: dict[str, Any]
    header: bool = False
    request: TranslationRequest | None = None


def infer_format(path: Path) -> Form:
    """Tell the form of a file by its name: .tsv, .jsonl, else text."""
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
    if suffix == ".tsv":
        return "tsv"
    return "jsonl" if suffix == ".jsonl" else "text"


def read_records(
    lines: Iterable[str],
    name: str,
    *,
    form: Form,
    field: str | None,
    constraints: bool = False,
    mend: DecodeErrorHandler | None = None,
) -> Iterator[Record]:
    """Find what is to be translated.

    Args:
        lines: The lines of one file or stream.
        name: What an error message calls it.
        form: What the lines are.
        field: Of JSON objects the key, or keys joined by dots; of tab-separated
            columns the number from 1, or the name that the first line gives it.
        constraints: Whether prefix, required and forbidden of JSON objects are asked
            of the translation.
        mend: Told of JSON texts that hold half a surrogate pair, which is translated as
            U+FFFD; if None, they are refused.

    Raises:
        InputError: If a line has no such field, with the line's number.
    """
    if constraints and form != "jsonl":
        raise UserError(
            f"{name} is {form}, but --constraints reads keys of JSON objects: give "
            "them as .jsonl or with --input-format jsonl."
        )
    if form == "text":
        for line in lines:
            yield Record(line, line, line.replace("\t", " "), {"source": line})
        return
    if not field:
        raise UserError(
            f"{name} is {form}: say what of it to translate with --field, "
            + ("a column's number or name." if form == "tsv" else "a key.")
        )
    numbered = enumerate(lines, 1)
    if form == "jsonl":
        for number, line in numbered:
            record = _object(line, f"{name}:{number}", field)
            if _is_half(record.text):
                if mend is None:
                    raise UserError(
                        f"{name}:{number}: the text holds half a surrogate pair, which "
                        "is no character. Mend the line."
                    )
                mend(f"{name}:{number}")
            if constraints:
                record = replace(record, request=_request(record, f"{name}:{number}"))
            yield record
        return
    if field.isdecimal():
        column, names = int(field) - 1, None
        if column < 0:
            raise UserError("--field counts columns from 1.")
    else:
        first = next(numbered, None)
        if first is None:
            return
        names = first[1].split("\t")
        if field not in names:
            raise UserError(
                f"{name}:1: there is no column {field!r} among {', '.join(names)}. "
                "Name one of them, or give a number if the first line names none."
            )
        column = names.index(field)
        yield Record(first[1], "", first[1], {}, header=True)
    for number, line in numbered:
        yield _columns(line, f"{name}:{number}", column, names)


def _columns(line: str, place: str, column: int, names: list[str] | None) -> Record:
    if not line.strip():
        return Record(line, "", line, {})
    values = line.split("\t")
    if len(values) <= column:
        raise UserError(
            f"{place}: there are {len(values)} columns, but column {column + 1} is "
            "asked for. Mend the line."
        )
    keys = names or [str(number) for number in range(1, len(values) + 1)]
    return Record(line, values[column], line, dict(zip(keys, values, strict=False)))


def _object(line: str, place: str, field: str) -> Record:
    if not line.strip():
        return Record(line, "", "", {})
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{place}: this is no JSON object: {reason}.") from error
    found = fields
    if isinstance(fields, dict) and field in fields:
        found = fields[field]
    else:
        for key in field.split("."):
            found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, str):
        what = ", ".join(map(str, fields)) if isinstance(fields, dict) else "no object"
        raise UserError(
            f"{place}: there is no text under {field!r} ({what}). Name another key "
            "with --field, or mend the line."
        )
    text = found.replace("\n", " ")
    columns = text.replace("\t", " ").replace("\r", " ")
    return Record(line, text, columns, fields)


def _request(record: Record, place: str) -> TranslationRequest | None:
    """Read what an object asks of its translation.

    Raises:
        InputError: If it is not text, or no list of texts.
    """
    found = {key: record.fields.get(key) for key in ("required", "forbidden")}
    for key, phrases in found.items():
        if phrases is not None and not (
            isinstance(phrases, list) and all(isinstance(each, str) for each in phrases)
        ):
            raise UserError(
                f"{place}: {key!r} must be a list of texts, such as "
                f'["one", "two"], but is {json.dumps(phrases)[:80]}.'
            )
    prefix = record.fields.get("prefix") or ""
    if not isinstance(prefix, str):
        raise UserError(
            f"{place}: 'prefix' must be a text, but is {json.dumps(prefix)[:80]}."
        )
    required, forbidden = (tuple(each or ()) for each in found.values())
    request = TranslationRequest(record.text, prefix, required, forbidden, place)
    return request if request.has_constraints else None


def _is_half(text: str) -> bool:
    """Tell whether a text holds half a surrogate pair, as only JSON can spell it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


@dataclass(frozen=True)
class OutputWriter:
    """How translations are written.

    Attributes:
        format: What the lines are.
        n_best: How many translations of a line are asked for.
        align: Whether JSON objects say which words belong together.
    """

    format: Form
    n_best: int = 1
    align: bool = False

    def format_lines(
        self, record: Record, translation: Translation, number: int
    ) -> list[str]:
        """Write one translation: a line, of text with several the n best in order.

        Args:
            record: What came in.
            translation: What became of it.
            number: Which line it is, from 0.

        Raises:
            InputError: If a JSON object has a key already that the translation needs.
        """
        if self.format == "jsonl":
            return [] if record.header else [self._json(record, translation)]
        if self.format == "tsv":
            return [self._tsv(record, translation)]
        if record.header:
            return []
        if self.n_best == 1:
            return [translation.text]
        # As in Moses, whose n-best lists other programs read.
        return [
            f"{number} ||| {each.text} ||| {each.score:.6f}"
            for each in translation.candidates
        ] or [f"{number} |||  ||| 0"]

    def _tsv(self, record: Record, translation: Translation) -> str:
        cells = [record.columns]
        if record.header:
            for rank in range(1, self.n_best + 1):
                last = f"_{rank}" if rank > 1 else ""
                cells += [f"translation{last}", f"score{last}"]
            return "\t".join(cells)
        for each in translation.candidates:
            cells += [each.text.replace("\t", " "), f"{each.score:.6f}"]
        missing = 2 * (self.n_best - len(translation.candidates))
        return "\t".join([*cells, *[""] * missing])

    def _json(self, record: Record, translation: Translation) -> str:
        added: dict[str, Any] = {"translation": translation.text}
        added["score"] = translation.score
        if self.n_best > 1:
            added["n_best"] = [
                {"translation": each.text, "score": each.score}
                for each in translation.candidates
            ]
        if self.align:
            found = translation.alignment
            added["alignment"] = "" if found is None else found.pharaoh()
        for key in added:
            if key in record.fields:
                raise UserError(
                    f"the input has a field {key!r} already, which the output needs. "
                    "Rename it in the input, or use --format text."
                )
        text = json.dumps(record.fields | added, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # Half a surrogate pair can only be escaped.
            text = json.dumps(record.fields | added)
        return text
