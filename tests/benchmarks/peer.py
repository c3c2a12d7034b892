"""Time translating beside OpenNMT-py, alternately, and print the ratios.

    python tests/benchmarks/peer.py --kit ../shared/peers --data ../shared/data/multi30k

The kit must be set up and its data prepared (its README.md); PEERS_WORK says where.
What else is missing is made first: the peer's model and a run of the same shape, of 30
steps each, and the run's exports. Both programs then translate test_2016_flickr with 15
to 16 tokens forced on every sentence, the peer with its best batch size and seq2seq
with the same or --batch-size. Each case ends with the kit's summary: the median ratio
of tokens per second, above 1 where seq2seq is faster. The machine must do nothing else.
A case with one sentence at a time takes two minutes a round.
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
FIELD = "pieces_per_second"


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
    parser.add_argument(
        "--batch-size", type=int, help="seq2seq's batch size. [the peer's]"
    )
    arguments = parser.parse_args()
    work = Path(os.environ.get("PEERS_WORK", "peers-work")).resolve()
    model = work / "models" / f"base-none_step_{STEPS}.pt"
    program = [sys.executable, "-m", "seq2seq"]
    if not model.is_file():
        _run([str(arguments.kit / "train.sh"), "base-none", str(STEPS)])
    if not arguments.run.is_dir():
        changes = [f"data.path={arguments.data}", f"train.max_steps={STEPS}"]
        options = [part for change in changes for part in ("-o", change)]
        _run(
            [*program, "train", "bench/none", *options, "--output", str(arguments.run)]
        )
    for engine in arguments.engines:
        if engine != "torch" and not (arguments.run / engine).is_dir():
            more = ["--int8"] if engine == "onnx-int8" else []
            _run([*program, "export", str(arguments.run), "--engine", "onnx", *more])
    if arguments.shortlist and not (arguments.run / "shortlist").is_dir():
        _run([*program, "shortlist", str(arguments.run)])
    for engine in arguments.engines:
        for case in arguments.cases:
            beam, batch_size = CASES[case]
            command = [
                *program,
                "bench",
                "translate",
                str(arguments.run),
                "--engine",
                engine,
            ]
            command += ["--data-path", str(arguments.data), "--beam", str(beam)]
            command += ["--batch-size", str(arguments.batch_size or batch_size)]
            command += ["--min-length", str(LENGTHS[0])]
            command += ["--max-length", str(LENGTHS[1])]
            if arguments.shortlist:
                command += ["--shortlist", str(arguments.shortlist)]
            peer_command = [str(arguments.kit / "translate.sh"), str(model), str(beam)]
            peer_command += [str(batch_size), *map(str, LENGTHS)]
            print(json.dumps({"engine": engine, "case": case}), flush=True)
            versus = [
                sys.executable,
                str(arguments.kit / "versus.py"),
                "--field",
                FIELD,
            ]
            versus += ["--rounds", str(arguments.rounds)]
            subprocess.run(
                [*versus, shlex.join(command), shlex.join(peer_command)], check=True
            )


def _run(command: list[str]) -> None:
    print(shlex.join(command), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
