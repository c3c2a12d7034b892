"""The command line: verbs only. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seq2seq.errors import InputError

if TYPE_CHECKING:
    from seq2seq.evaluate import Evaluation

app = typer.Typer(
    help="Recurrent machine translation: train from a recipe, translate, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
recipes = typer.Typer(help="List, read and check recipes.", no_args_is_help=True)
app.add_typer(recipes, name="recipe")

RecipeName = Annotated[str, typer.Argument(help="A shipped recipe or a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", help="Override a key: -o model.dropout=0.2. May be repeated."),
]
RunPath = Annotated[Path, typer.Argument(help="A run folder, such as runs/quickstart.")]
Beam = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Beam size; 1 is greedy. [the recipe's]"),
]


@app.command()
def train(
    recipe: RecipeName,
    override: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="The run folder. [runs/RECIPE]")
    ] = None,
) -> None:
    """Train a recipe; the same command again continues where it stopped."""
    from seq2seq.recipe_file import read_recipe

    resolved = read_recipe(recipe, override or [])
    from seq2seq.training import train as train_recipe

    name = Path(recipe).stem if recipe.endswith((".yaml", ".yml")) else recipe
    train_recipe(resolved, output or Path("runs") / name)


@app.command()
def translate(
    run: RunPath,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Text files. [standard input]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A file to write. [standard output]")
    ] = None,
    beam: Beam = None,
) -> None:
    """Translate lines: as many come out as go in, in order, a blank for a blank."""
    from itertools import chain

    from seq2seq.text.lines import decode_lines, read_lines, write_lines
    from seq2seq.translate import Translator

    translator = Translator.load(run)
    piped = decode_lines(sys.stdin.buffer, "standard input")
    lines = chain.from_iterable(map(read_lines, files)) if files else piped
    translations = translator.stream(lines, beam_size=beam)
    if output is not None:
        write_lines(output, translations)
        return
    for line in translations:
        sys.stdout.buffer.write(line.encode() + b"\n")
        sys.stdout.buffer.flush()


@app.command()
def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder; not for --hypothesis.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Which split: train, valid, test or the data's name.")
    ] = "test",
    source: Annotated[Path | None, typer.Option(help="A file to translate.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Its translations.")] = None,
    hypothesis: Annotated[
        Path | None, typer.Option(help="A file to score as it is.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="With --hypothesis: the target language.")
    ] = "de",
    data_path: Annotated[
        str | None, typer.Option(help="Where the data is, if not where it was.")
    ] = None,
    beam: Beam = None,
    lowercase: Annotated[
        bool, typer.Option(help="Disregard case in BLEU and chrF, as older papers.")
    ] = False,
    json: Annotated[bool, typer.Option(help="Print JSON instead of a table.")] = False,
) -> None:
    """Score translations with BLEU, chrF and TER, each with its signature."""
    from seq2seq import evaluate as room

    name = "" if run is None else str(run)
    if hypothesis is not None and reference is not None and source is None:
        name = str(hypothesis)
        found = room.evaluate_hypotheses(
            hypothesis, reference, language=language, lowercase=lowercase
        )
    elif run is not None and source is not None and reference is not None:
        found = room.evaluate_files(
            run, source, reference, beam_size=beam, lowercase=lowercase
        )
    elif run is not None and source is None and reference is None and not hypothesis:
        found = room.evaluate_split(
            run, split, data_path=data_path, beam_size=beam, lowercase=lowercase
        )
    else:
        raise InputError(
            "evaluate needs RUN, or RUN with --source F and --reference F, or "
            "--hypothesis F with --reference F."
        )
    _show(found, name, as_json=json)


def _show(found: Evaluation, name: str, *, as_json: bool) -> None:
    """Print scores and five translations."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if as_json:
        print(json.dumps(asdict(found.scores), ensure_ascii=False))
        return
    console = Console(highlight=False)
    scores = found.scores
    table = Table(title=Text(f"{name}: {scores.sentences:,} sentences"))
    table.add_column("metric")
    table.add_column("score", justify="right")
    table.add_column("signature", overflow="fold")
    for label, each in (
        ("BLEU", scores.bleu),
        ("chrF", scores.chrf),
        ("TER (lower is better)", scores.ter),
    ):
        table.add_row(label, f"{each.score:.2f}", each.signature)
    console.print(table)
    if not found.sources:
        return
    step = max(1, len(found.sources) // 5)
    for number in range(0, len(found.sources), step)[:5]:
        console.print()
        for label, line in (
            ("source", found.sources[number]),
            ("hypothesis", found.hypotheses[number]),
            ("reference", found.references[number]),
        ):
            console.print(Text(f"{label:>10}  {line}"), soft_wrap=True)
    rate = len(found.sources) / max(found.seconds, 1e-9)
    console.print(
        f"\ntranslated in {found.seconds:.1f} s, {rate:,.0f} sentences a second"
    )
    console.print(
        f'next: echo "The old man buys a red car." | seq2seq translate {name}',
        soft_wrap=True,
    )


@recipes.command("ls")
def recipe_ls() -> None:
    """List the shipped recipes."""
    from seq2seq.recipe_file import read_recipe, recipe_names

    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {read_recipe(name).description}")


@recipes.command("show")
def recipe_show(recipe: RecipeName, override: Overrides = None) -> None:
    """Print a recipe with every key, as a training would use it."""
    from seq2seq.recipe_file import read_recipe, recipe_yaml

    print(recipe_yaml(read_recipe(recipe, override or [])), end="")


@recipes.command("cp")
def recipe_cp(
    recipe: RecipeName,
    target: Annotated[Path, typer.Argument(help="The file to write.")],
) -> None:
    """Copy a recipe to a file of your own, to change it."""
    from seq2seq.recipe_file import read_recipe, recipe_path, recipe_yaml
    from seq2seq.text.lines import atomic_file

    if target.exists():
        raise InputError(f"{target} is there already; name another file.")
    text = recipe_path(recipe).read_text(encoding="utf-8")
    if "\nextends:" in f"\n{text}":  # Its base is not beside the copy.
        text = recipe_yaml(read_recipe(recipe))
    with atomic_file(target) as file:
        file.write(text.encode())
    print(f"{target} is yours to change; then: seq2seq train {target}")


@recipes.command("validate")
def recipe_validate(recipe: RecipeName, override: Overrides = None) -> None:
    """Check a recipe and say all that is wrong with it."""
    from seq2seq.recipe_file import read_recipe

    read_recipe(recipe, override or [])
    print(f"{recipe} is valid")


@recipes.command("schema")
def recipe_schema() -> None:
    """Print the JSON schema of recipes."""
    import json

    from seq2seq.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))


def main() -> None:
    """Run the command line; a user's fault becomes a line and an exit status."""
    try:
        app()
    except InputError as error:
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in str(error))
        print(f"error: {text}" if error.exit_status == 1 else text, file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
