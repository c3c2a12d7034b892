"""Draw the pictures of the README into docs/pictures/ (extras release and serve).

python docs/make_pictures.py RUN [--chromium PATH]

RUN is a quickstart with its report (seq2seq train, then seq2seq report). The learning
curve is the report's own figure; report and demo page are screenshots by Chromium:
Playwright's own (playwright install chromium-headless-shell), or the program at PATH.
Badges say what pyproject.toml does, and no other site is asked for them.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from seq2seq.evaluation.figures import training_figures
from seq2seq.evaluation.small_multiples import svg_document
from seq2seq.evaluation.training_history import read_training_history
from seq2seq.runs.run_folder import RunFolder

PICTURES = Path(__file__).resolve().parent / "pictures"
SENTENCE = "The old man buys a red car."
WIDTH = 900


def badge(label: str, value: str) -> str:
    """Return a badge as SVG: a label and what it is."""
    left, right = (8 + 7 * len(text) for text in (label, value))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" '
        f'role="img" aria-label="{label}: {value}" font-family="sans-serif" '
        'font-size="11" fill="#fff">'
        f'<rect width="{left + right}" height="20" rx="3" fill="#1f5a8a"/>'
        f'<rect width="{left}" height="20" rx="3" fill="#4a4f55"/>'
        f'<text x="{left / 2:g}" y="14" text-anchor="middle">{label}</text>'
        f'<text x="{left + right / 2:g}" y="14" text-anchor="middle">{value}</text>'
        "</svg>\n"
    )


def badges() -> dict[str, str]:
    """Return each badge's file name and SVG."""
    fields = metadata("seq2seq-recurrent")
    prefix = "Programming Language :: Python :: 3."
    minors = [
        int(line.removeprefix(prefix))
        for line in fields.get_all("Classifier") or []
        if line.startswith(prefix)
    ]
    versions = f"3.{min(minors)} to 3.{max(minors)}"
    return {
        "python.svg": badge("Python", versions),
        "license.svg": badge("license", fields["License-Expression"]),
    }


def draw_curve(run: Path, path: Path) -> None:
    """Write validation BLEU by step, with its confidence interval, as SVG."""
    folder = RunFolder(run)
    history = read_training_history(folder, folder.read_recipe())
    (figure,) = (f for f in training_figures(run.name, history) if "BLEU" in f.title)
    path.write_text(svg_document(figure.svg), encoding="utf-8")


def photograph_report(page: Any, run: Path, path: Path) -> None:
    """Write the top of a report's page as PNG."""
    page.goto((run / "report" / "test" / "report.html").resolve().as_uri())
    page.screenshot(path=path)


def photograph_demo(page: Any, path: Path) -> None:
    """Serve the demo, type a sentence into its page, write what it shows as PNG."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "seq2seq", "serve", "demo", "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        page.goto(f"http://127.0.0.1:{port}/")
        page.fill("#source", SENTENCE)
        page.wait_for_selector("#ribbons path", state="attached", timeout=120_000)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=path)
    finally:
        server.terminate()
        server.wait(timeout=60)


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--chromium", type=Path)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(exist_ok=True)
    for name, text in badges().items():
        (PICTURES / name).write_text(text, encoding="utf-8")
    draw_curve(arguments.run, PICTURES / "learning-curve.svg")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium)
        page = browser.new_page(viewport={"width": WIDTH, "height": 700})
        page.set_default_timeout(180_000)
        photograph_report(page, arguments.run, PICTURES / "report.png")
        page.set_viewport_size({"width": WIDTH, "height": 860})
        photograph_demo(page, PICTURES / "demo.png")
        browser.close()


if __name__ == "__main__":
    main()
