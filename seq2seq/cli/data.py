"""Commands `seq2seq data import`, `inspect`, `clean` and `split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.verbs import add_verb, new_group
from seq2seq.utils.console import print_hint

data = new_group("Import, inspect, clean and split files of sentence pairs.")

SourceLanguage = Annotated[
    str | None,
    typer.Option(
        help="Code of the source language, of ISO 639, or x-NAME for one without.",
        show_default="found out",
    ),
]
TargetLanguage = Annotated[
    str | None,
    typer.Option(help="Code of the target language.", show_default="found out"),
]
Corpus = Annotated[
    Path,
    typer.Argument(help="Folder of a corpus, or a file that `data import` reads."),
]
NewFolder = Annotated[
    Path, typer.Argument(help="The folder to write; it must not exist.")
]
SplitName = Annotated[str, typer.Option(help="Split of the folder to read.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the sentences, source first: names or numbers, as in 2,3 or "
        "English,Deutsch.",
        show_default="found out",
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        help="Whether the first row names the columns.", show_default="found out"
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of a workbook.", show_default="found out")
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Encoding of a table of text, such as cp1250.", show_default="found out"
    ),
]


def data_import(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, TSV, XLSX, TMX, PO or ZIP files (of OPUS), or two files of "
            "lines; behind them the folder to write, which must not exist.",
            metavar="FILE... OUT",
        ),
    ],
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    columns: Columns = None,
    document: Annotated[
        str | None,
        typer.Option(
            help="Column that names each row's document; `data split` keeps documents "
            "together.",
            show_default="found out",
        ),
    ] = None,
    header: Header = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
) -> None:
    """Import tables, translators' files or text files as a corpus to train on.

    OUT gets train.jsonl, left_out.tsv with every row that is no pair and the reason,
    and data.json, which remembers the languages.
    """
    from seq2seq.errors import UserError
    from seq2seq.prepare.corpus_writer import check_new
    from seq2seq.prepare.import_files import import_files, write_import
    from seq2seq.prepare.raw_pairs import ImportOptions

    if len(files) < 2:
        raise UserError(
            f"{files[0]} alone: name the files, and behind them the folder to write, "
            f"such as seq2seq data import {files[0]} data/mine"
        )
    *paths, folder = files
    check_new(folder)
    options = ImportOptions(source, target, columns, document, header, sheet, encoding)
    corpus = import_files(paths, options)
    write_import(corpus, folder)
    for note in corpus.notes:
        print(note)
    print(corpus.summary())
    if corpus.left_out:
        print(f"each row that was left out: {folder / 'left_out.tsv'}")
    print_hint(
        f"next: seq2seq data inspect {folder}, then seq2seq data clean {folder} "
        f"{folder}-clean"
    )


MaxLength = Annotated[
    int, typer.Option(min=1, help="Characters of a side, for the rule length.")
]
MaxLengthRatio = Annotated[
    float,
    typer.Option(
        min=1.0,
        help="How far the sides' lengths may be from the corpus's median ratio, as a "
        "factor, for the rule length.",
    ),
]
MaxForeign = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Share of letters of other scripts than the side's, for the rule script.",
    ),
]


def data_inspect(
    path: Corpus,
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    split: SplitName = "train",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="An HTML page to write as well.")
    ] = None,
    max_length: MaxLength = 1000,
    max_length_ratio: MaxLengthRatio = 3.0,
    max_foreign: MaxForeign = 0.4,
) -> None:
    """Count what is wrong in a corpus, with 20 examples of each."""
    import datetime
    import json

    from rich.console import Console

    from seq2seq.prepare.corpus_reader import read_corpus
    from seq2seq.prepare.inspection import inspect_corpus
    from seq2seq.prepare.inspection_page import print_inspection, render_inspection
    from seq2seq.prepare.raw_pairs import ImportOptions
    from seq2seq.prepare.rules import Thresholds
    from seq2seq.utils.files import write_lines
    from seq2seq.utils.overwriting import check_overwrites_no_input

    if output is not None:
        check_overwrites_no_input([output], [path])
    corpus = read_corpus(path, split, ImportOptions(source, target))
    thresholds = Thresholds(max_length, max_length_ratio, max_foreign)
    inspection = inspect_corpus(corpus, thresholds)
    if as_json:
        print(json.dumps(inspection.as_json(), ensure_ascii=False))
    else:
        print_inspection(inspection, Console())
    if output is not None:
        page = render_inspection(inspection, datetime.date.today().isoformat())
        write_lines(output, page.split("\n"))
        if not as_json:
            print_hint(f"the page: {output}")


def data_clean(
    path: Corpus,
    output: NewFolder,
    without: Annotated[
        str | None,
        typer.Option(
            help="Rules not to apply, with commas: blank, damaged, swapped, identical, "
            "script, numbers, length, duplicate, near_duplicate.",
            show_default="none",
        ),
    ] = None,
    drop_swapped: Annotated[
        bool,
        typer.Option(help="Drop swapped pairs instead of swapping them back."),
    ] = False,
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    split: SplitName = "train",
    max_length: MaxLength = 1000,
    max_length_ratio: MaxLengthRatio = 3.0,
    max_foreign: MaxForeign = 0.4,
) -> None:
    """Drop the pairs that break a rule; dropped.tsv has each with its rule."""
    from seq2seq.prepare.clean import clean_corpus
    from seq2seq.prepare.corpus_reader import read_corpus
    from seq2seq.prepare.corpus_writer import check_new, write_corpus
    from seq2seq.prepare.raw_pairs import ImportOptions
    from seq2seq.prepare.rules import RULES, Thresholds

    check_new(output)
    corpus = read_corpus(path, split, ImportOptions(source, target))
    off = [rule.strip() for rule in (without or "").split(",") if rule.strip()]
    thresholds = Thresholds(max_length, max_length_ratio, max_foreign)
    cleaned = clean_corpus(
        corpus.pairs, thresholds, without=off, drop_swapped=drop_swapped
    )
    heads = ("row", "rule", *corpus.languages, "detail")
    dropped = [
        (str(row), rule, first, second, detail)
        for row, rule, first, second, detail in cleaned.dropped
    ]
    write_corpus(
        output,
        corpus.languages,
        {split: cleaned.pairs},
        origin={
            "made_by": "data clean",
            "made_of": corpus.fingerprint,
            "rules": [rule for rule in RULES if rule not in off],
            "thresholds": thresholds.__dict__,
        },
        tables={"dropped.tsv": [heads, *dropped]},
    )
    print(f"{corpus.name}: {cleaned.summary()}")
    print_hint(
        f"{output / 'dropped.tsv'} has each with its rule; next: seq2seq data split "
        f"{output} {output}-split"
    )


def data_split(
    path: Corpus,
    output: NewFolder,
    valid: Annotated[int, typer.Option(help="Pairs to validate on.")] = 500,
    test: Annotated[int, typer.Option(help="Pairs to test on.")] = 500,
    seed: Annotated[
        int, typer.Option(help="Seed; the same one gives the same bytes.")
    ] = 1,
    source: SourceLanguage = None,
    target: TargetLanguage = None,
    split: SplitName = "train",
) -> None:
    """Split a corpus into train, valid and test; no near duplicate crosses a split."""
    from seq2seq.prepare.corpus_reader import read_corpus
    from seq2seq.prepare.corpus_writer import check_new, write_corpus
    from seq2seq.prepare.raw_pairs import ImportOptions
    from seq2seq.prepare.split import split_corpus

    check_new(output)
    corpus = read_corpus(path, split, ImportOptions(source, target))
    parts = split_corpus(corpus.pairs, valid=valid, test=test, seed=seed)
    rows = {"train": parts.train, "valid": parts.valid, "test": parts.test}
    write_corpus(
        output,
        corpus.languages,
        {name: [corpus.pairs[row] for row in part] for name, part in rows.items()},
        origin={
            "made_by": f"data split --valid {valid} --test {test} --seed {seed}",
            "made_of": corpus.fingerprint,
        },
    )
    print(f"{corpus.name}: {parts.summary()}")
    languages = f"-o data.source={corpus.languages[0]} "
    languages += f"-o data.target={corpus.languages[1]}"
    print_hint(f"next: seq2seq train small-data -o data.path={output} {languages}")


for verb in (data_import, data_inspect, data_clean, data_split):
    add_verb(data, verb, "data")
