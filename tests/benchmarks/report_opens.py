"""CPU time of opening a report of 1,000 segments and two systems in a browser.

    python tests/benchmarks/report_opens.py [TIMES]

Processor time of headless Chromium from its start to a screenshot, less that of a blank
page: for the page as it is, and with its table laid out at once.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from seq2seq.data.phrasebook.corpus import phrase_pairs
from seq2seq.evaluation.builder import build_report
from seq2seq.evaluation.html import render_html
from seq2seq.evaluation.systems import ReportRequest


def write_page(folder: Path) -> str:
    """Make a report of sentences that are joined to the length of Multi30k's."""
    pairs = list(phrase_pairs("train", count=2500))
    joined = [
        [f"{one[side]} {other[side]}" for side in (0, 1)]
        for one, other in zip(pairs[:1000], pairs[1000:2000], strict=True)
    ]
    wrong = [target.split()[0] for _, target in pairs[2000:]]
    files = {name: folder / name for name in ("source", "reference", "one", "other")}
    for name, path in files.items():
        lines = [pair[name != "source"] for pair in joined]
        if name in ("one", "other"):
            every = 3 if name == "one" else 5
            lines = [
                " ".join(
                    wrong[(number * 7 + index) % len(wrong)]
                    if (number + index) % every == 0
                    else word
                    for index, word in enumerate(line.split())
                )
                for number, line in enumerate(lines)
            ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    request = ReportRequest(
        [str(files["one"]), str(files["other"])],
        source=files["source"],
        references=[files["reference"]],
        language="de",
        n_bootstrap=100,
        n_trials=100,
    )
    report = build_report(request, date="today", full=False, log=str)
    return render_html(report, full=False)


def processor_seconds(browser: str, path: Path) -> float:
    """Return the CPU seconds of opening a page in a single-process browser."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"]
    options += ["--single-process", "--no-zygote", f"--screenshot={path}.png"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [browser, *options, path.as_uri()],
        capture_output=True,
        check=False,
        timeout=300,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turns, and print medians and their ratio."""
    times = int(sys.argv[1]) if sys.argv[1:] else 5
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if browser is None:
        sys.exit("this needs chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = write_page(folder)
        at_once = text.replace(
            "content-visibility: auto", "content-visibility: visible"
        )
        assert at_once != text
        pages = {"blank": "<!doctype html><title>x</title>"}
        pages |= {"as it is": text, "at once": at_once}
        seconds: dict[str, list[float]] = {page: [] for page in pages}
        for number, content in enumerate(pages.values()):
            (folder / f"{number}.html").write_text(content, encoding="utf-8")
        for _ in range(times):
            for number, page in enumerate(pages):
                seconds[page].append(
                    processor_seconds(browser, folder / f"{number}.html")
                )
    median = {page: statistics.median(times) for page, times in seconds.items()}
    extra = {page: median[page] - median["blank"] for page in ("as it is", "at once")}
    print(f"{len(text.encode()) / 1e6:.2f} MB, medians of {times}")
    for page, difference in extra.items():
        print(f"{page:<10} {difference:.2f} s of one core above a blank page")
    print(f"ratio {extra['at once'] / extra['as it is']:.1f}")


if __name__ == "__main__":
    main()
