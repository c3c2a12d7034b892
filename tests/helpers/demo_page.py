"""The demo page in a browser: what it asked, was answered and complained of."""

from __future__ import annotations

import time
from typing import Any

RESTED = "!document.querySelector('.stale') && document.querySelector('.word')"
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
CONTRASTS = """() => {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  const rgb = (color) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (node) => {
    const rect = node.closest("g.node")?.querySelector("rect");
    const fill = rect && rgb(getComputedStyle(rect).fill);
    if (fill && fill[3] === 255) return fill;
    for (let at = node; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  let count = 0;
  for (const node of document.body.querySelectorAll("*")) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3)
      .map((child) => child.data).join("").trim();
    if (!text || node.closest("title, option")) continue;
    if (!node.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(node);
    const color = rgb(node instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [color, background(node)].map(luminance).sort((a, b) => a - b);
    count += 1;
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) poor.push([text.slice(0, 30), contrast]);
  }
  return { poor, count };
}"""


class Visit:
    """A page in the browser, and all that it did.

    Attributes:
        page: Playwright's page.
        responses: Of /v1/explain.
        requests: Their bodies.
        complaints: Errors of the console and the page, dialogs, foreign requests.
    """

    def __init__(self, browser: Any, url: str, width: int, scheme: str) -> None:
        view = {"width": width, "height": 900}
        self.page = browser.new_context(
            viewport=view, color_scheme=scheme, locale="en"
        ).new_page()
        self.page.set_default_timeout(120_000)
        self.responses: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        complain = self.complaints.append
        self.page.on(
            "console",
            lambda line: complain(line.text) if line.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: complain(str(error)))
        self.page.on("dialog", lambda dialog: complain(dialog.message))
        self.page.on("request", lambda request: self._note(request, url))
        self.page.on("response", self._keep)
        self.page.goto(url)
        self.page.wait_for_selector("#pair option", state="attached")

    def _note(self, request: Any, url: str) -> None:
        if not request.url.startswith((url, "data:")):
            self.complaints.append(request.url)
        if request.url.endswith("/v1/explain"):
            self.requests.append(request.post_data_json)

    def _keep(self, response: Any) -> None:
        if response.url.endswith("/v1/explain") and response.status == 200:
            self.responses.append(response)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The bodies of all answers so far."""
        return [response.json() for response in self.responses]

    def fill(self, text: str) -> None:
        count = len(self.responses)
        self.page.fill("#source", text)
        self.rest(count)

    def rest(self, count: int) -> None:
        """Wait for another answer to be shown."""
        deadline = time.monotonic() + 120  # For a machine with other work.
        while len(self.responses) <= count or not self.page.evaluate(RESTED):
            assert time.monotonic() < deadline, "no answer is shown"
            self.page.wait_for_timeout(20)
        self.page.evaluate(DRAWN)

    @property
    def translation(self) -> str:
        return str(self.page.text_content("#translation"))

    def all(self, selector: str, expression: str) -> list[Any]:
        found: list[Any] = self.page.eval_on_selector_all(
            selector, f"nodes => nodes.map((node) => {expression})"
        )
        return found
