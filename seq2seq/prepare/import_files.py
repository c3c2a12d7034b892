"""Files of other programs as one parallel corpus; no row is lost without a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from seq2seq.data.readers import parallel_pairs
from seq2seq.errors import UserError
from seq2seq.prepare.archives import read_opus
from seq2seq.prepare.columns import check_codes, choose_columns, order_languages
from seq2seq.prepare.corpus_writer import write_corpus
from seq2seq.prepare.csv_rows import read_csv
from seq2seq.prepare.raw_pairs import Extract, ImportOptions, RawPair, Row
from seq2seq.prepare.spreadsheets import read_xlsx
from seq2seq.prepare.translation_memories import read_po, read_tmx
from seq2seq.utils.files import COMPRESSIONS, sha256_file
from seq2seq.utils.language_guess import guess_language
from seq2seq.utils.languages import is_language
from seq2seq.utils.similar_paths import missing_error
from seq2seq.utils.text import has_surrogate, is_blank, with_noun

_SAMPLE_ROWS = 2000
_TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm")
_OTHERS = (".tmx", ".po", ".pot", ".zip")
_UNREAD = {
    **{
        ".xls": "Save it as .xlsx",
        ".ods": "Save it as .xlsx",
        ".numbers": "Export CSV",
    },
    **{".docx": "Save its table as CSV", ".pdf": "Copy its text into a table"},
    **{".json": "Write one object a line", ".rar": "Unpack it", ".7z": "Unpack it"},
}


@dataclass(frozen=True)
class ImportedCorpus:
    """The pairs of some files, and what was left out of them.

    Attributes:
        languages: Source and target.
        pairs: Source, target, and document or nothing, of the rows that are pairs.
        left_out: The other rows, each with its reason.
        notes: What was read and which columns for which reason, a sentence each.
        files: SHA-256 of each file, by its name, or its path if names are the same.
    """

    languages: tuple[str, str]
    pairs: list[tuple[str, str, str]]
    left_out: list[RawPair]
    notes: list[str]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Rows that are not blank: pairs and what was left out."""
        return len(self.pairs) + len(self.left_out)

    def summary(self) -> str:
        """Return the counts in one line."""
        line = (
            f"{with_noun(len(self.pairs), 'pair')} of {with_noun(self.num_rows, 'row')}"
        )
        reasons = Counter(pair.reason for pair in self.left_out)
        counts = [
            f"{count:,} because {reason}" for reason, count in reasons.most_common()
        ]
        return f"{line}; left out: {', '.join(counts)}" if counts else line


def import_files(
    paths: Sequence[Path], options: ImportOptions | None = None
) -> ImportedCorpus:
    """Read a corpus from tables, translation memories, an archive, or two text files.

    Two files that are no tables are one corpus, line by line; of all others, each is
    one, and they are put together.

    Args:
        paths: CSV, TSV, XLSX, TMX, PO, or ZIP files, or two files of lines.
        options: What the user says about them; all else is found out.

    Raises:
        UserError: If a file is not sound, or a column or language not clear.
    """
    options = options or ImportOptions()
    check_codes(options)
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path} is a folder. Name the files in it.")
        if not path.exists():
            raise missing_error(path, "Name a file of sentence pairs.")
    if len(paths) == 2 and all(_kind(path) not in _TABLES + _OTHERS for path in paths):
        extracts = [_read_parallel(paths[0], paths[1], options)]
    else:
        extracts = [_read_file(path, options) for path in paths]
    languages = extracts[0].languages
    for path, extract in zip(paths, extracts, strict=False):
        if extract.languages != languages:
            raise UserError(
                f"{path} is {' and '.join(extract.languages)}, but {paths[0]} "
                f"{' and '.join(languages)}. Import them apart, or name --source and "
                "--target."
            )
    pairs: list[tuple[str, str, str]] = []
    left_out: list[RawPair] = []
    for raw in chain.from_iterable(extract.pairs for extract in extracts):
        source, target = " ".join(raw.source.split()), " ".join(raw.target.split())
        if reason := raw.reason or _fault(source, target):
            left_out.append(raw._replace(reason=reason))
        else:
            pairs.append((source, target, raw.document.strip()))
    if not pairs:
        example = f", as {left_out[0].reason}" if left_out else ""
        raise UserError(f"{paths[0]} has no sentence pair{example}.")
    notes = [note for extract in extracts for note in extract.notes]
    names = [path.name for path in paths]
    files = {
        name if names.count(name) == 1 else path.as_posix(): sha256_file(path)
        for name, path in zip(names, paths, strict=True)
    }
    return ImportedCorpus(languages, pairs, left_out, notes, files)


def write_import(corpus: ImportedCorpus, folder: Path) -> None:
    """Write an imported corpus to a new folder: train.jsonl, left_out.tsv, data.json.

    Raises:
        UserError: If the folder is there, or cannot be written.
    """
    heads = ("row", "reason", *corpus.languages)
    left_out = [(raw.origin, raw.reason, *raw[1:3]) for raw in corpus.left_out]
    write_corpus(
        folder,
        corpus.languages,
        {"train": corpus.pairs},
        origin={"made_by": "data import", "files": corpus.files},
        tables={"left_out.tsv": [heads, *left_out]},
    )


def _fault(source: str, target: str) -> str:
    if is_blank(target):
        return "both sides are blank" if is_blank(source) else "the target is blank"
    if is_blank(source):
        return "the source is blank"
    if has_surrogate(source) or has_surrogate(target):
        return "it holds half a character"
    return ""


def _kind(path: Path) -> str:
    """Return the suffix of a file's format, without that of a compression."""
    name = path.name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return Path(name).suffix


def _read_file(path: Path, options: ImportOptions) -> Extract:
    kind = _kind(path)
    if advice := _UNREAD.get(kind):
        raise UserError(f"{path}: {kind[1:].upper()} is not read. {advice}.")
    if kind == ".tmx":
        return read_tmx(path, options)
    if kind in (".po", ".pot"):
        return read_po(path, options)
    if kind == ".zip":
        return read_opus(path, options)
    if kind in (".xlsx", ".xlsm"):
        notes, rows = read_xlsx(path, options.sheet)
    else:
        notes, rows = read_csv(path, options.encoding)
    return _read_table(path, notes, rows, options)


def _read_table(
    path: Path, notes: list[str], rows: Iterator[Row], options: ImportOptions
) -> Extract:
    sample = list(islice(rows, _SAMPLE_ROWS))
    sound = [row.cells for row in sample if not row.reason]
    if not sound:
        raise UserError(f"{path} has no row that can be read: {sample[0].reason}.")
    choice = choose_columns(path, sound, options)
    widths = Counter(map(len, sound))
    width = len(sound[0]) if choice.header else widths.most_common(1)[0][0]
    columns = (choice.source, choice.target, choice.document)
    every = chain(sample, rows)
    if choice.header:
        header = next(i for i, row in enumerate(sample) if not row.reason)
        every = chain(sample[:header], sample[header + 1 :], rows)
    pairs = _table_pairs(path, every, columns, width)
    return Extract(choice.languages, pairs, [*notes, f"{path.name}: {choice.note}"])


def _table_pairs(
    path: Path,
    rows: Iterable[Row],
    columns: tuple[int, int, int | None],
    width: int,
) -> Iterator[RawPair]:
    for number, cells, reason in rows:
        texts = [cells[i] if i is not None and i < len(cells) else "" for i in columns]
        fault = reason
        if not fault and any(cell.strip() for cell in cells[width:]):
            fault = f"it has {len(cells)} cells, where {width} are columns"
        if not fault and len(cells) <= max(columns[:2]):
            fault = f"it has {with_noun(len(cells), 'cell')} only"
        source, target, document = texts
        if fault and not source + target:
            source = " ".join(cells)
        yield RawPair(f"{path.name}:{number}", source, target, document, fault)


def _read_parallel(source: Path, target: Path, options: ImportOptions) -> Extract:
    """Read two files of lines, in the languages of their suffixes or of their text."""
    languages, notes = [], []
    given = (options.source, options.target)
    suffixes = [_kind(path)[1:] for path in (source, target)]
    named = [code if is_language(code) else None for code in suffixes]
    if all(named) and named[0] != named[1] and any(given):
        ordered = order_languages(source, [code for code in named if code], options)
        if list(ordered) != named:
            source, target = target, source
            named = named[::-1]
    for side, path in enumerate((source, target)):
        texts = (pair[side] for pair in parallel_pairs(source, target))
        sample = list(islice(texts, _SAMPLE_ROWS))
        language = given[side] or named[side] or guess_language(sample)
        if language is None:
            option = ("--source", "--target")[side]
            raise UserError(
                f"{path}: its language is not known by its words. Name it: {option} "
                "CODE, of ISO 639 or your own, such as x-mine"
            )
        how = "as given" if given[side] else "by its suffix" if named[side] else ""
        languages.append(language)
        notes.append(f"{path.name} is {language} ({how or 'by its words'})")
    if languages[0] == languages[1]:
        raise UserError(
            f"{source} and {target} both seem to be {languages[0]}. Name their "
            "languages: --source CODE --target CODE"
        )
    pairs = (
        RawPair(f"{source.name}:{number}", *pair)
        for number, pair in enumerate(parallel_pairs(source, target), 1)
        if any(text.strip() for text in pair)
    )
    return Extract((languages[0], languages[1]), pairs, notes)
