"""Print a table of finished runs, as recipes/README.md shows it, from their own files.

    python tests/benchmarks/ladder.py runs/ladder/vanilla-rnn runs/ladder/cho2014 ...

Each run must have been trained (summary.json) and evaluated (evaluation/test).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEAD = "| run | parameters | steps | minutes | valid BLEU | BLEU | chrF | gained |"


def main(folders: list[Path]) -> int:
    """Print a row for each run, or only the files that are missing."""
    missing = [
        str(path)
        for folder in folders
        for path in (folder / "summary.json", folder / "evaluation/test/scores.json")
        if not path.is_file()
    ]
    if missing or not folders:
        print(f"needs finished, evaluated runs; missing: {missing}", file=sys.stderr)
        return 1
    rows = [_row(folder) for folder in folders]
    print(HEAD)
    print("|" + "---|" * (HEAD.count("|") - 1))
    before: float | None = None
    for name, summary, scores in rows:
        bleu = scores["bleu"]["score"]
        gained = "" if before is None else f"{bleu - before:+.2f}"
        before = bleu
        cells = [
            f"`{name}`",
            f"{summary['parameters'] / 1e6:.1f}M",
            f"{summary['steps']:,}",
            f"{summary['seconds'] / 60:.0f}",
            f"{summary.get('best_valid_bleu', 0):.2f}",
            f"{bleu:.2f}",
            f"{scores['chrf']['score']:.2f}",
            gained,
        ]
        print("| " + " | ".join(cells) + " |")
    return 0


def _row(folder: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    scores = folder / "evaluation" / "test" / "scores.json"
    in_ladder = folder.parent.name == "ladder"
    name = "/".join(folder.parts[-2:]) if in_ladder else folder.name
    return name, summary, json.loads(scores.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
