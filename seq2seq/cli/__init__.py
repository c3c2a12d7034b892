"""The command line: one file for each command.

Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import seq2seq
from seq2seq.cli.average import average
from seq2seq.cli.bench import bench
from seq2seq.cli.compare import compare
from seq2seq.cli.data import data
from seq2seq.cli.diagnose import diagnose
from seq2seq.cli.distill import distill
from seq2seq.cli.doctor import doctor
from seq2seq.cli.evaluate import evaluate
from seq2seq.cli.export import export
from seq2seq.cli.heatmap import heatmap
from seq2seq.cli.label import caption, label
from seq2seq.cli.push import push
from seq2seq.cli.recipe import recipes
from seq2seq.cli.report import report
from seq2seq.cli.rerank import rerank
from seq2seq.cli.runs import runs
from seq2seq.cli.sample import sample
from seq2seq.cli.score import score
from seq2seq.cli.serve import serve
from seq2seq.cli.shortlist import shortlist
from seq2seq.cli.standard_output import OutputClosed, closable_output
from seq2seq.cli.start import start
from seq2seq.cli.sweep import sweep
from seq2seq.cli.train import train
from seq2seq.cli.translate import translate
from seq2seq.cli.tune import tune
from seq2seq.cli.verbs import Quiet, Verbose, add_verb, apply_verbosity, new_group
from seq2seq.errors import Interrupted, UserError

log = logging.getLogger(__name__)
app = new_group(
    "Recurrent sequence-to-sequence learning: train from a recipe, translate, "
    "evaluate.",
    no_args_is_help=False,
)
FIRST_STEPS = """\
What to do first:
  seq2seq translate demo                  a model that ships: type English, get German
  seq2seq start PAIRS.xlsx                a translator of your own sentence pairs
  seq2seq translate runs/PAIRS FILE       translate text, subtitles, tables with it
  seq2seq train quickstart                train a small model in minutes, without data
  seq2seq --help                          all commands; each has --help with examples
"""
VERBS: list[Callable[..., None]] = [
    start,
    train,
    doctor,
    translate,
    evaluate,
    report,
    compare,
]
VERBS += [label, caption, sample, score, rerank, heatmap, average, distill, export]
VERBS += [shortlist, runs, sweep, tune, serve, push]
for verb in VERBS:
    add_verb(app, verb)
app.add_typer(recipes, name="recipe")
app.add_typer(data, name="data")
app.add_typer(bench, name="bench")
app.add_typer(diagnose, name="diagnose")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"seq2seq {seq2seq.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Apply the options that stand before the command."""
    apply_verbosity(quiet=quiet, verbose=verbose)
    if context.invoked_subcommand is None:
        print(FIRST_STEPS, end="")


def main() -> None:
    """Run the command line; a UserError becomes one line and an exit status."""
    try:
        with closable_output():
            app(prog_name="seq2seq")
    except UserError as error:
        log.debug("where the error was raised:", exc_info=True)
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in str(error))
        for line in text.split("\n"):  # A recipe may have several faults.
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("seq2seq"):
            raise
        print(
            f"error: this command needs {error.name}, which is not installed, as where "
            "only translating was installed: pip install seq2seq-recurrent",
            file=sys.stderr,
        )
        sys.exit(1)
    except OutputClosed as closed:
        sys.exit(closed.exit_status)
    except (OSError, MemoryError) as error:
        # Not handled where it occurred, but caused by the machine.
        print(f"error: {str(error) or 'memory is full'}", file=sys.stderr)
        sys.exit(1)
    except Interrupted as signal:
        print("interrupted; the same command continues", file=sys.stderr)
        sys.exit(signal.exit_status)
