"""seq2seq push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seq2seq.cli.verbs import MODEL
from seq2seq.utils.console import print_hint


def push(
    folder: Annotated[
        Path,
        MODEL,
        typer.Argument(
            help="Model folder, which seq2seq export RUN --to FOLDER makes.",
        ),
    ],
    repository: Annotated[
        str,
        typer.Argument(
            metavar="USER/MODEL",
            help="Repository on the Hugging Face Hub; created if there is none.",
        ),
    ],
    public: Annotated[
        bool,
        typer.Option("--public/--private", help="Who may see a new repository."),
    ] = False,
    create_pr: Annotated[
        bool,
        typer.Option(
            "--create-pr", help="Open a pull request in a repository that exists."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be uploaded; no network."),
    ] = False,
) -> None:
    """Upload a model folder to the Hugging Face Hub (log in first: hf auth login)."""
    from seq2seq.runs.hub import files_to_push, push_to_hub, repository_id

    repository = repository_id(repository)
    names, others = files_to_push(folder)
    sizes = [(folder / name).stat().st_size for name in names]
    for name, size in zip(names, sizes, strict=True):
        print(f"{size:>12,}  {name}")
    kind = "a pull request in" if create_pr else "public" if public else "private"
    print(f"{sum(sizes):>12,}  bytes for {kind} {repository}")
    if others:
        print_hint(f"left out, as no part of the model: {', '.join(others)}")
    if dry_run:
        print_hint("nothing was uploaded; without --dry-run it is")
        return
    print(push_to_hub(folder, repository, private=not public, create_pr=create_pr))
    if not create_pr:
        print_hint(f"next: seq2seq translate hf://{repository} in.txt")
