"""Time translating beside OpenNMT-py, alternately, and print the ratios.

    python tests/benchmarks/peer.py --kit ../shared/peers --data ../shared/data/multi30k

The kit must be set up and its data prepared (its README.md); PEERS_WORK says where.
What else is missing is made first: the peer's model and a run of the same shape, of 30
steps each, and the run's exports. Both programs then translate test_2016_flickr with 15
to 16 pieces forced on every sentence, the peer in its best batch and ours in the same
or in --batch. Each case ends with the kit's summary: the median of the ratios of pieces
a second, above 1 where ours is faster. The machine must do nothing else. A case with
one sentence at a time takes two minutes a round.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

ENGINES = ("torch", "onnx", "onnx-int8")
CASES = {"greedy": (1, 128), "beam": (5, 64), "single": (1, 1)}
STEPS = 30
LENGTHS = (15, 16)
PIECES = "pieces_per_second"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("runs/bench-none"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--shortlist", type=int)
    parser.add_argument("--batch", type=int, help="ours, if not the peer's best")
    given = parser.parse_args()
    work = Path(os.environ.get("PEERS_WORK", "peers-work")).resolve()
    model = work / "models" / f"base-none_step_{STEPS}.pt"
    program = [sys.executable, "-m", "seq2seq"]
    if not model.is_file():
        _do([str(given.kit / "train.sh"), "base-none", str(STEPS)])
    if not given.run.is_dir():
        changes = [f"data.path={given.data}", f"train.max_steps={STEPS}"]
        options = [part for change in changes for part in ("-o", change)]
        _do([*program, "train", "bench/none", *options, "--output", str(given.run)])
    for engine in given.engines:
        if engine != "torch" and not (given.run / engine).is_dir():
            more = ["--int8"] if engine == "onnx-int8" else []
            _do([*program, "export", str(given.run), "--engine", "onnx", *more])
    if given.shortlist and not (given.run / "shortlist").is_dir():
        _do([*program, "shortlist", str(given.run)])
    for engine in given.engines:
        for case in given.cases:
            beam, batch = CASES[case]
            ours = [*program, "bench", "translate", str(given.run), "--engine", engine]
            ours += ["--data-path", str(given.data), "--beam", str(beam)]
            ours += [
                "--batch",
                str(given.batch or batch),
                "--min-length",
                str(LENGTHS[0]),
            ]
            ours += ["--max-length", str(LENGTHS[1])]
            if given.shortlist:
                ours += ["--shortlist", str(given.shortlist)]
            theirs = [str(given.kit / "translate.sh"), str(model), str(beam)]
            theirs += [str(batch), *map(str, LENGTHS)]
            print(json.dumps({"engine": engine, "case": case}), flush=True)
            versus = [sys.executable, str(given.kit / "versus.py"), "--field", PIECES]
            versus += ["--rounds", str(given.rounds)]
            subprocess.run([*versus, shlex.join(ours), shlex.join(theirs)], check=True)


def _do(command: list[str]) -> None:
    print(shlex.join(command), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
