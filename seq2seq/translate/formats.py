"""Input and output formats of lines: plain text, tab-separated columns, JSON objects.

Each input line gives one output line, except that plain text lists the n best
translations of a line one below the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from seq2seq.data.tables import SPREADSHEETS, has_quotes, split_rows
from seq2seq.errors import UserError
from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.options import Translation
from seq2seq.utils.files import COMPRESSIONS, DecodeErrorHandler
from seq2seq.utils.text import has_surrogate, with_noun

Format = Literal["text", "tsv", "jsonl", "paragraphs", "srt", "vtt", "csv", "xlsx"]
"""Formats of lines, and of documents, which `translate/documents/` reads and writes."""

_SUFFIXES: dict[str, Format] = {
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".srt": "srt",
    ".vtt": "vtt",
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}


@dataclass(frozen=True)
class Record:
    """An input line.

    Attributes:
        line: The raw line.
        text: The source text.
        columns: The columns that a tab-separated output line repeats.
        fields: The fields that an output JSON object repeats.
        header: Whether the line names the columns, so that it has no source text.
        request: The source text with constraints, where there are any.
        error: Why the constraints cannot be read; empty if they can.
        location: Its name in error messages.
    """

    line: str
    text: str
    columns: str
    fields: dict[str, Any]
    header: bool = False
    request: TranslationRequest | None = None
    error: str = ""
    location: str = ""


def infer_format(path: Path) -> Format:
    """Infer a file's format from its name; text if that says nothing.

    Raises:
        UserError: If the name is that of a spreadsheet that cannot be read, or of a
            compressed document.
    """
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
    kind = _SUFFIXES.get(suffix.lower(), "text")
    if kind == "text" and suffix.lower() in SPREADSHEETS:
        raise UserError(
            f"{path}: {suffix[1:].upper()} files are neither read nor written. Save it "
            "as .xlsx or .csv, and name the column with --column."
        )
    if path.suffix in COMPRESSIONS and kind not in ("text", "tsv", "jsonl"):
        raise UserError(f"{path}: a {suffix} file is not read compressed; unpack it.")
    return kind


def read_records(
    lines: Iterable[str],
    name: str,
    *,
    input_format: Format,
    field: str | None,
    constraints: bool = False,
    quoted: bool | None = None,
    on_decode_error: DecodeErrorHandler | None = None,
) -> Iterator[Record]:
    """Parse input lines.

    Args:
        lines: The lines of one file or stream.
        name: Its name in error messages.
        input_format: Format of the lines.
        field: The source text: in JSON objects the key, or keys joined by dots; in
            tab-separated columns the number from 1, or the name in the first line.
        constraints: Whether prefix, required and forbidden of JSON objects constrain
            the translation.
        quoted: Whether quotes around a tab-separated cell are none of its text, as
            spreadsheets write them; None: refuse what seems so.
        on_decode_error: Called with the location of a text with a lone surrogate,
            which is then read as U+FFFD; if None, such text is an error.

    Yields:
        Records; one whose constraints have a wrong type has an error and no text.

    Raises:
        UserError: If a line has no such field, or not as many cells as the first, with
            the line's number; if the format has no such options.
    """
    if constraints and input_format != "jsonl":
        raise UserError(
            f"{name} is {input_format}, but --constraints reads keys of JSON objects: "
            "give them as .jsonl or with --input-format jsonl."
        )
    if quoted is not None and input_format != "tsv":
        raise UserError(
            f"{name} is read as {input_format}, but --quoted and --no-quoted are for "
            "cells of TSV: add --input-format tsv, or leave it out."
        )
    if input_format == "text":
        if field:
            raise UserError(
                f"{name} is read as text, but --field {field} names a column or key: "
                "add --input-format tsv or jsonl, or leave --field out."
            )
        for number, line in enumerate(lines, 1):
            columns = line.replace("\t", " ")
            location = f"{name}:{number}"
            yield Record(line, line, columns, {"source": line}, location=location)
        return
    if not field:
        raise UserError(
            f"{name} is {input_format}: name the text to translate with --field, "
            + ("a column's number or name." if input_format == "tsv" else "a key.")
        )
    if input_format == "tsv":
        yield from _read_tsv(lines, name, field, quoted)
        return
    for number, line in enumerate(lines, 1):
        location = f"{name}:{number}"
        record = _parse_json(line, location, field)
        if has_surrogate(record.text):
            if on_decode_error is None:
                raise UserError(
                    f"{location}: the text holds half a surrogate pair, which is no "
                    "character. Mend the line."
                )
            on_decode_error(location)
        if constraints:
            try:
                request = _parse_constraints(record, location)
                record = replace(record, request=request)
            except UserError as error:
                record = replace(record, text="", error=str(error))
        yield record


def _read_tsv(
    lines: Iterable[str], name: str, field: str, quoted: bool | None
) -> Iterator[Record]:
    names: list[str] = []
    first: list[str] = []  # The first row's cells.
    column = first_number = -1
    is_number = field.isdecimal()
    for number, cells in split_rows(name, lines, bool(quoted)):
        line = "\t".join(cell.replace("\t", " ") for cell in cells)
        if not line.strip() and len(cells) < 2 and (first or is_number):
            yield Record(line, "", "\t" * (len(first) - 1), {})
            continue
        if quoted is None and has_quotes([first or cells, cells]):
            raise UserError(
                f"{name}:{number}: cells are in quotes, as spreadsheets write them. "
                "Add --quoted, or --no-quoted if the quotes are text."
            )
        if not first:
            first, first_number = cells, number
            # A spreadsheet's last columns may have no name.
            names = [cell or str(index) for index, cell in enumerate(cells, 1)]
            if not is_number:
                column = named_column(names, f"{name}:{number}", field)
                yield Record(line, "", line, {}, header=True)
                continue
            names = [str(index) for index in range(1, len(cells) + 1)]
            if field not in names:
                raise UserError(
                    f"{name}:{number}: there {_count(cells)}, so there is no column "
                    f"{field}. Columns count from 1."
                )
            column = names.index(field)
        if len(cells) != len(first):
            add = ""
            if not quoted and any(cell.startswith('"') for cell in cells):
                add = ", or add --quoted if quotes enclose tabs or line breaks"
            raise UserError(
                f"{name}:{number}: there {_count(cells)}, but line {first_number} has "
                f"{len(first)}. Mend the line{add}."
            )
        fields = dict(zip(names, cells, strict=True))
        yield Record(line, cells[column], line, fields, location=f"{name}:{number}")


def _count(cells: list[str]) -> str:
    return f"{'is' if len(cells) == 1 else 'are'} {with_noun(len(cells), 'cell')}"


def named_column(names: list[str], location: str, field: str) -> int:
    """Return the index of a column, from 0.

    Raises:
        UserError: If there is none of the name, or two columns have one name.
    """
    if field not in names:
        raise UserError(
            f"{location}: there is no column {field!r} among {', '.join(names)}. "
            "Name one of them, or give a number if the first line names none."
        )
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{location}: two columns are called {name!r}. Rename one.")
    return names.index(field)


def _parse_json(line: str, location: str, field: str) -> Record:
    if not line.strip():
        return Record(line, "", "", {})
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{location}: this is no JSON object: {reason}.") from error
    missing = object()
    value = fields
    is_key = isinstance(fields, dict) and field in fields
    for key in [field] if is_key else field.split("."):
        value = value.get(key, missing) if isinstance(value, dict) else missing
    if not isinstance(value, str):
        keys = ", ".join(fields) if isinstance(fields, dict) else "no object"
        reason = f"there is no text under {field!r} ({keys})"
        if value is not missing:
            reason = f"{field!r} is {json.dumps(value)[:40]}, not text"
        raise UserError(
            f"{location}: {reason}. Name another key with --field, or mend the line."
        )
    text = value.replace("\n", " ")
    columns = text.replace("\t", " ").replace("\r", " ")
    return Record(line, text, columns, fields, location=location)


def _parse_constraints(record: Record, location: str) -> TranslationRequest | None:
    """Read the constraints of a JSON object; None if there are none.

    Raises:
        UserError: If a value has the wrong type.
    """
    lists = {key: record.fields.get(key) for key in ("required", "forbidden")}
    for key, phrases in lists.items():
        if phrases is not None and not (
            isinstance(phrases, list) and all(isinstance(p, str) for p in phrases)
        ):
            raise UserError(
                f"{location}: {key!r} must be a list of texts, such as "
                f'["one", "two"], but is {json.dumps(phrases)[:80]}.'
            )
    prefix = record.fields.get("prefix")
    if prefix is None:
        prefix = ""
    if not isinstance(prefix, str):
        raise UserError(
            f"{location}: 'prefix' must be a text, but is {json.dumps(prefix)[:80]}."
        )
    required, forbidden = (tuple(phrases or ()) for phrases in lists.values())
    request = TranslationRequest(record.text, prefix, required, forbidden, location)
    return request if request.has_constraints else None


@dataclass(frozen=True)
class OutputWriter:
    """Formats translations as output lines.

    Attributes:
        format: Format of the lines.
        n_best: Maximal number of translations of a line.
        align: Whether JSON objects have a word alignment.
        token_log_probs: Whether they have tokens and their log-probabilities.
        output_key: The key of one JSON object with all that is added; if None, that
            stands beside the input's keys.
        errors: Whether a JSON object may have an error, as with on_error="return".
    """

    format: Format
    n_best: int = 1
    align: bool = False
    token_log_probs: bool = False
    output_key: str | None = None
    errors: bool = False

    def format_lines(
        self, record: Record, translation: Translation, index: int
    ) -> list[str]:
        """Return the output lines of one input line: one, or n best as text.

        Args:
            record: The input line.
            translation: Its translation.
            index: Its number in the input, from 0.

        Raises:
            UserError: If the input already has a key or column that the output needs.
        """
        if self.format == "jsonl":
            return [] if record.header else [self._json(record, translation)]
        if self.format == "tsv":
            return [self._tsv(record, translation)]
        if record.header:
            return []
        if self.n_best == 1:
            return [translation.translation]
        # The n-best format of Moses.
        return [
            f"{index} ||| {hypothesis.translation} ||| {hypothesis.score:.6f}"
            for hypothesis in translation.n_best
        ] or [f"{index} |||  ||| 0"]

    def _tsv(self, record: Record, translation: Translation) -> str:
        cells = [record.columns]
        if record.header:
            for rank in range(1, self.n_best + 1):
                suffix = f"_{rank}" if rank > 1 else ""
                cells += [f"translation{suffix}", f"score{suffix}"]
            for name in record.columns.split("\t"):
                if name in cells[1:]:
                    raise UserError(
                        f"the input has a column {name!r} already, which the output "
                        "needs. Rename it in the input, or use another "
                        "--output-format."
                    )
            return "\t".join(cells)
        for hypothesis in translation.n_best:
            text = hypothesis.translation.replace("\t", " ")
            cells += [text, f"{hypothesis.score:.6f}"]
        missing = 2 * (self.n_best - len(translation.n_best))
        return "\t".join([*cells, *[""] * missing])

    def _json(self, record: Record, translation: Translation) -> str:
        names = ["translation", "score", "confidence", "num_tokens"]
        if self.token_log_probs:
            names += ["tokens", "token_log_probs"]
        line_names = [*names, "num_sentences", "num_segments", "truncated"]
        if translation.error:
            line_names.append("error")
        added: dict[str, Any] = {n: getattr(translation, n) for n in line_names}
        if self.n_best > 1:
            added["n_best"] = [
                {name: getattr(hypothesis, name) for name in names}
                for hypothesis in translation.n_best
            ]
        if self.align:
            alignment = translation.alignment
            added["alignment"] = "" if alignment is None else alignment.to_pharaoh()
        if self.output_key is not None:
            added = {self.output_key: added}
        keys = [*added]
        if self.errors and self.output_key is None:
            keys.append("error")  # A later line may have one.
        for key in keys:
            if key in record.fields:
                raise UserError(
                    f"the input has a field {key!r} already, which the output needs. "
                    "Add --output-key KEY, a new key for an object with all that is "
                    "added."
                )
        fields = record.fields | added
        text = json.dumps(fields, ensure_ascii=False)
        # A lone surrogate can only be escaped.
        return json.dumps(fields) if has_surrogate(text) else text
