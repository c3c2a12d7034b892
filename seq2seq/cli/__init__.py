"""The command line: one file for each command.

Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from seq2seq.cli.average import average
from seq2seq.cli.bench import bench
from seq2seq.cli.compare import compare
from seq2seq.cli.distill import distill
from seq2seq.cli.doctor import doctor
from seq2seq.cli.evaluate import evaluate
from seq2seq.cli.export import export
from seq2seq.cli.heatmap import heatmap
from seq2seq.cli.recipe import recipes
from seq2seq.cli.report import report
from seq2seq.cli.score import score
from seq2seq.cli.shortlist import shortlist
from seq2seq.cli.train import train
from seq2seq.cli.translate import translate
from seq2seq.errors import Interrupted, UserError

app = typer.Typer(
    help="Recurrent machine translation: train from a recipe, translate, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
VERBS: list[Callable[..., None]] = [train, doctor, translate, evaluate, report, compare]
VERBS += [score, heatmap, average, distill, export, shortlist]
for verb in VERBS:
    app.command()(verb)
app.add_typer(recipes, name="recipe")
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line; a UserError becomes one line and an exit status."""
    try:
        app()
    except UserError as error:
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in str(error))
        print(f"error: {text}" if error.exit_status == 1 else text, file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except (OSError, MemoryError) as error:
        # Not handled where it occurred, but caused by the machine.
        print(f"error: {str(error) or 'memory is full'}", file=sys.stderr)
        sys.exit(1)
    except Interrupted as signal:
        print("interrupted; the same command continues", file=sys.stderr)
        sys.exit(signal.exit_status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
