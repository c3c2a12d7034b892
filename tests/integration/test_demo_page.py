"""The page of seq2seq serve in a browser: what it draws is what the server answers.

The browser is playwright's own, or the Chromium that CHROMIUM names; without playwright
or a browser the tests are skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seq2seq.serve.page import FILES
from seq2seq.translate import Translator
from tests.helpers.demo_page import CONTRASTS, Visit
from tests.helpers.runs import make_run
from tests.helpers.servers import model_of, serving

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.slow

SENTENCE = "The old man buys a red car."
LONG = " ".join(
    ["the old man buys a red car and the young woman reads the new book,"] * 5
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        path = os.environ.get("CHROMIUM")
        try:
            browser = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(model_of(Translator.load("demo", device="cpu"))) as (_, port):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def visit(browser: Any, url: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, scheme = getattr(request, "param", (1280, "light"))
    visit = Visit(browser, url, width, scheme)
    yield visit
    visit.page.context.close()
    assert visit.complaints == []


def test_the_page_is_small() -> None:
    import seq2seq.serve.page as module

    folder = Path(module.__file__).with_name("page")
    assert {path.name for path in folder.iterdir()} == {
        name for name, _ in FILES.values()
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 150_000


def test_ribbons_tree_and_gates_are_those_of_the_answer(visit: Visit) -> None:
    visit.fill(SENTENCE)
    (answer,) = visit.answers
    (segment,) = answer["segments"]
    best = segment["hypotheses"][0]
    assert visit.translation == answer["translation"]
    ribbons = visit.all(
        "#ribbon-lines path",
        "[Number(node.dataset.target), Number(node.dataset.source), "
        "parseFloat(getComputedStyle(node).strokeWidth)]",
    )
    weights = [
        [target, source, pytest.approx(16 * weight, abs=1e-3)]
        for target, row in enumerate(best["word_attention"])
        for source, weight in enumerate(row)
        if weight >= 0.01
    ]
    assert ribbons == weights
    nodes = visit.all(
        "#tree-lines .node", "[Number(node.dataset.id), node.classList[1]]"
    )
    assert sorted(nodes) == [[node["id"], node["state"]] for node in segment["tree"]]
    path = visit.all("#tree-lines .node.path", "Number(node.dataset.id)")
    assert path == best["path"]
    for step in (1, 4):
        visit.page.click("#first")
        for _ in range(step):
            visit.page.click("#forward")
        rows = visit.all("#candidates tbody tr", "Number(node.dataset.id)")
        of_step = [node["id"] for node in segment["tree"] if node["step"] == step - 1]
        assert sorted(rows) == of_step
        visible = visit.all("#tree-lines .node:not(.later)", "node.dataset.id")
        assert len(visible) == sum(node["step"] < step for node in segment["tree"])
    visit.page.click("#last")
    gate = next(
        gate
        for gate in segment["gates"]
        if gate["layer"] == "decoder.1" and gate["gate"] == "update"
    )
    cells = visit.all("#heatmap tbody tr:first-child td", "Number(node.textContent)")
    assert cells == pytest.approx(gate["mean"], abs=0.0051)
    texts = visit.all("#hypotheses label span:first-of-type", "node.textContent")
    assert texts == [hypothesis["text"] for hypothesis in segment["hypotheses"]]


def test_a_word_isolates_its_ribbons(visit: Visit) -> None:
    visit.fill(SENTENCE)
    visit.page.hover("#target-words li >> nth=3")
    active = visit.all("#ribbon-lines path.active", "node.dataset.target")
    assert set(active) == {"3"}
    assert str(visit.page.text_content("#word-weights")).startswith("kauft: buys 1.00")


@pytest.mark.parametrize(
    "visit",
    [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")],
    indirect=True,
)
def test_all_text_has_contrast_and_nothing_is_wider_than_the_window(
    visit: Visit,
) -> None:
    visit.fill(SENTENCE + " Does the sister hurry to the famous river?")
    visit.page.click("#translation .word[data-segment='1'][data-word='2']")
    visit.page.wait_for_selector("#alternatives button")
    visit.page.click("#alternatives button >> nth=1")
    visit.page.wait_for_selector("#prefix:not([hidden])")
    visit.page.click("#translation .word[data-word='1'] >> nth=0")
    visit.page.wait_for_selector("#alternatives button")
    visit.page.click("#back")
    visit.page.hover("#target-words li >> nth=2")
    contrasts = visit.page.evaluate(CONTRASTS)
    assert contrasts["count"] > 150
    assert contrasts["poor"] == []
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == visit.page.viewport_size["width"]


@pytest.mark.parametrize("visit", [(1280, "dark"), (390, "light")], indirect=True)
def test_sixty_words_are_legible(visit: Visit) -> None:
    assert len(LONG.split()) >= 60
    visit.fill(LONG)
    boxes = visit.all(
        "#source-words li, #target-words li",
        "((box) => [box.left, box.top, box.right, box.bottom])"
        "(node.getBoundingClientRect())",
    )
    assert len(boxes) > 60
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:number]:
            assert (
                left >= other[2]
                or right <= other[0]
                or top >= other[3] - 0.1
                or bottom <= other[1] + 0.1
            )
    sizes = visit.all("#explained *", "parseFloat(getComputedStyle(node).fontSize)")
    assert min(sizes) >= 11
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == visit.page.viewport_size["width"]


def test_right_to_left_text_runs_from_right_to_left(visit: Visit) -> None:
    visit.fill("הכלב הזקן קורא ספר.")
    lefts = visit.all("#source-words li", "node.getBoundingClientRect().left")
    assert lefts == sorted(lefts, reverse=True)
    targets = visit.all("#target-words li", "node.getBoundingClientRect().left")
    assert targets == sorted(targets)
    from_right = visit.all(
        "#ribbon-lines path[data-source='0']", "node.getBBox().x + node.getBBox().width"
    )
    assert max(from_right) > lefts[1] - lefts[-1]


def test_markup_is_text(visit: Visit) -> None:
    visit.fill("<img src=x onerror=alert(1)> <b>dog</b>")
    words = visit.all("#source-words li", "node.textContent")
    assert words[:3] == ["<img", "src=x", "onerror=alert(1)>"]
    assert visit.page.query_selector("img, b") is None
    visit.page.fill("#source", "")
    visit.page.wait_for_selector("#explained", state="hidden")


def test_a_translation_goes_on_from_a_word_by_keyboard_alone(visit: Visit) -> None:
    page, keys = visit.page, visit.page.keyboard
    focus = "document.activeElement.textContent"
    keys.type(SENTENCE)  # The field has the focus.
    visit.rest(0)
    for _ in range(20):
        keys.press("Tab")
        if page.evaluate("document.activeElement.className") == "word":
            break
    assert page.evaluate(focus) == "Der"
    for _ in range(5):
        keys.press("ArrowRight")
    assert page.evaluate(focus) == "rotes"
    keys.press("Enter")
    assert page.evaluate("document.activeElement.id") == "continuation"
    page.wait_for_selector("#alternatives button")
    keys.press("Escape")
    assert page.evaluate(focus) == "rotes"
    keys.press("Enter")
    page.wait_for_selector("#alternatives button")
    assert visit.requests[-1]["prefix"] == "Der alte Mann kauft ein "
    count = len(visit.responses)
    keys.type("blaues")
    keys.press("Enter")
    visit.rest(count)
    assert visit.requests[-1]["prefix"] == "Der alte Mann kauft ein blaues"
    assert visit.translation == "Der alte Mann kauft ein blaues Auto."
    fixed = visit.all(".word.fixed", "node.textContent")
    assert fixed == ["Der", "alte", "Mann", "kauft", "ein", "blaues"]
    for _ in range(20):
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "tree":
            break
    keys.press("Home")
    keys.press("ArrowRight")
    assert page.text_content("#step-text").startswith("Step 1 of")
    keys.press("Tab")
    keys.press("Tab")
    count = len(visit.responses)
    keys.press("Enter")  # The first candidate's token.
    visit.rest(count)
    assert visit.requests[-1]["prefix"] == "D"


def test_the_second_sentence_has_a_beginning_of_its_own(visit: Visit) -> None:
    visit.fill(SENTENCE + " The dog sleeps.")
    before = visit.translation
    count = len(visit.responses)
    visit.page.click(".word[data-segment='1'][data-word='0']")
    visit.rest(count)
    count = len(visit.responses)
    visit.page.fill("#continuation", "Ein")
    visit.page.keyboard.press("Enter")
    visit.rest(count)
    first = visit.answers[0]["segments"][0]["hypotheses"][0]["text"]
    assert visit.translation.startswith(first + " Ein")
    assert visit.requests[-1]["q"] == "The dog sleeps."
    count = len(visit.responses)
    visit.page.click("#prefix button")
    visit.rest(count)
    assert visit.translation == before


def test_a_stale_answer_is_dropped_and_a_busy_server_asked_again(visit: Visit) -> None:
    held: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    visit.page.route("**/v1/explain", hold_the_first)
    visit.page.fill("#source", "The dog sleeps.")
    while not held:
        visit.page.wait_for_timeout(20)
    visit.fill(SENTENCE)
    answer = visit.answers[-1]
    answer["segments"][0]["hypotheses"][0]["words"] = ["Stale", "</s>"]
    with contextlib.suppress(playwright.Error):  # The page may have cancelled it.
        held[0].fulfill(json=answer)
    visit.page.wait_for_timeout(300)
    assert visit.translation == "Der alte Mann kauft ein rotes Auto."
    visit.page.unroute("**/v1/explain")

    answers = [{"status": 503, "headers": {"Retry-After": "1"}, "body": "{}"}]
    visit.page.route(
        "**/v1/explain",
        lambda route: route.fulfill(**answers.pop()) if answers else route.continue_(),
    )
    visit.fill("The dog sleeps.")
    assert visit.translation == "Der Hund schläft."
    assert "503" in visit.complaints.pop()  # The browser reports it by itself.


def test_languages_are_a_choice_and_errors_are_one_line(visit: Visit) -> None:
    languages = [
        {"code": "en", "name": "English", "targets": ["de", "fr"]},
        {"code": "de", "name": "German", "targets": []},
        {"code": "fr", "name": "<i>French", "targets": []},
    ]
    visit.page.route(
        "**/languages", lambda route: route.fulfill(body=json.dumps(languages))
    )
    visit.page.reload()
    visit.page.wait_for_selector("#pair option >> nth=1", state="attached")
    visit.page.fill("#source", SENTENCE)
    visit.page.select_option("#pair", "en fr")
    visit.page.wait_for_selector("#status.error")
    assert visit.requests[-1]["target"] == "fr"
    assert "en to fr is not supported" in visit.page.text_content("#status")
    assert "400" in visit.complaints.pop()


def test_what_a_model_lacks_is_said(browser: Any, tmp_path: Path) -> None:
    rnn = {"cell": "rnn", "layers": 1, "hidden_size": 8, "bidirectional": False}
    decoder = {"cell": "rnn", "layers": 1, "hidden_size": 8}
    run = make_run(
        tmp_path / "blind", attention={"kind": "none"}, encoder=rnn, decoder=decoder
    )
    with serving(model_of(Translator.load(run))) as (_, port):
        visit = Visit(browser, f"http://127.0.0.1:{port}/", 1280, "light")
        visit.fill(SENTENCE)
        texts = visit.all(".missing:not([hidden])", "node.textContent")
        assert texts == [
            "Not shown: the model has no attention.",
            "Not shown: the cells of a plain RNN have no gates.",
        ]
        assert visit.all("#tree-lines .node", "1")
        visit.page.context.close()
        assert visit.complaints == []
