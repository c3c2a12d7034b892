"""A report's page as its tags and text; the published schema; a task's report."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import invoke

ROOT = Path(__file__).resolve().parents[2]


class ParsedPage(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.script = ""
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags[tag] += 1
        self.inside.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] == ["script"]:
            self.script += data
        elif self.inside[-1:] != ["style"]:
            self.text.append(data)


def check_schema(value: Any, rule: dict[str, Any], schema: dict[str, Any]) -> None:
    """Enough of JSON Schema for a schema made from dataclasses."""
    if "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in rule:
        for option in rule["anyOf"]:
            try:
                return check_schema(value, option, schema)
            except AssertionError:
                continue
        raise AssertionError((value, rule))
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str}
    kinds |= {"null": type(None), "number": (int, float), "integer": int}
    kinds["boolean"] = bool
    assert isinstance(value, kinds[rule["type"]]), (value, rule)
    if rule["type"] == "object":
        known = rule.get("properties", {})
        assert set(rule.get("required", ())) <= set(value)
        for key, inner in value.items():
            assert key in known or "additionalProperties" in rule, key
            check_schema(inner, known.get(key) or rule["additionalProperties"], schema)
    if rule["type"] == "array":
        for index, inner in enumerate(value):
            prefix = rule.get("prefixItems", [])
            check_schema(
                inner, prefix[index] if index < len(prefix) else rule["items"], schema
            )
    return None


def check_report(
    run: Path, scores: dict[str, Any], split: str = "test"
) -> dict[str, Any]:
    """Report on a run: page and JSON have the scores; return the JSON.

    Args:
        run: The run folder.
        scores: What `seq2seq evaluate --json` printed.
        split: Of which split.
    """
    status, out, _ = invoke("report", str(run), "--split", split)
    assert status == 0
    assert "is the page" in out
    folder = run / "report" / split.replace("+", "-")
    text, markdown, html = (
        (folder / f"report.{ending}").read_text(encoding="utf-8")
        for ending in ("json", "md", "html")
    )
    report: dict[str, Any] = json.loads(text)
    published = json.loads((ROOT / "docs/report.schema.json").read_text("utf-8"))
    check_schema(report, published, published)
    network, *others = report["systems"]
    assert network["training_history"]["series"]["valid_loss"]
    if isinstance(scores["baselines"], dict):
        named = scores["baselines"]
    else:
        named = {baseline["name"]: baseline for baseline in scores["baselines"]}
    assert [system["name"] for system in others] == list(named)
    pairs = [(network, scores), *((other, named[other["name"]]) for other in others)]
    for system, expected in pairs:
        assert system["p_value"] == pytest.approx(expected.get("p_value"), abs=1e-6)
        for key, score in system["scores"].items():
            assert score["score"] == pytest.approx(expected[key]["score"], abs=1e-6)
            shown = f"{expected[key]['score']:.{score['decimals']}f}"
            assert f">{shown}</bdi>" in html
            assert f"| {shown} " in markdown
    page = ParsedPage(html)
    assert page.tags["script"] == 1
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    return report
