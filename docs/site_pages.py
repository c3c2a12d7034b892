"""MkDocs hook: pages of the site that are not files in docs/.

README.md, CONTRIBUTING.md, CHANGELOG.md, recipes/ and examples/ become pages. The
reference is generated from the code: the commands, the keys of a recipe and a page for
each package, so that nothing new is left out. Links, written for a reader of the
checkout, are rewritten for the site.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from seq2seq.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "recipes/README.md": "recipes.md",
    "examples/README.md": "examples.md",
}
PACKAGE = ROOT / "seq2seq"
MODULES = sorted(path.stem for path in PACKAGE.glob("[a-z]*.py"))
PACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Add the reference to the navigation."""
    names = [*PACKAGES, *MODULES]
    config.nav.append({"Commands": "commands.md"})
    config.nav.append({"Recipe keys": "recipe-keys.md"})
    config.nav.append({"API reference": [f"api/{name}.md" for name in names]})
    return config


def commands() -> str:
    """Every command with its arguments and options, by Typer's own generator."""
    docs = [sys.executable, "-m", "typer", "seq2seq.cli", "utils", "docs"]
    docs += ["--name", "seq2seq", "--title", "Commands"]
    return subprocess.run(docs, check=True, capture_output=True, text=True).stdout


def _type(field: dict[str, Any]) -> str:
    """The type of a recipe key, in JSON schema's words."""
    if "anyOf" in field or "oneOf" in field:
        options = field.get("anyOf") or field["oneOf"]
        return " or ".join(_type(option) for option in options)
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        choices = field.get("enum", [field.get("const")])
        return ", ".join(f"`{choice}`" for choice in choices)
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    limits = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">"}
    limits["exclusiveMaximum"] = "<"
    parts = [f"{sign} {field[key]:g}" for key, sign in limits.items() if key in field]
    return " ".join([str(field.get("type", "any")), *parts])


def recipe_keys() -> str:
    """Every key of a recipe: type, default and meaning, a table for each section."""
    schema = Recipe.model_json_schema()
    lines = ["# Recipe keys", ""]
    sections = {"Recipe": schema, **schema["$defs"]}
    for name, section in sections.items():
        if "properties" not in section:
            continue
        lines += [f"## {name}", "", section.get("description", ""), ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for key, field in section["properties"].items():
            default = "required" if key in section.get("required", []) else ""
            if "default" in field:
                default = f"`{json.dumps(field['default'], ensure_ascii=False)}`"
            meaning = field.get("description", "").replace("|", "\\|")
            lines.append(f"| `{key}` | {_type(field)} | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "commands.md", content=commands()))
    files.append(File.generated(config, "recipe-keys.md", content=recipe_keys()))
    for name in [*PACKAGES, *MODULES]:
        text = f"---\ntitle: seq2seq.{name}\n---\n\n::: seq2seq.{name}\n"
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links from paths in the checkout to pages of the site."""
    name = page.file.src_uri
    sources = {target: source for source, target in PAGES.items()}
    folder = posixpath.dirname(sources.get(name, f"docs/{name}"))

    def rewritten(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        anchor = link[2] or ""
        if path in PAGES:
            target = PAGES[path]
        elif path.startswith("examples/"):
            target = PAGES["examples/README.md"]
        elif path.startswith("docs/"):
            target = path.removeprefix("docs/")
        elif path.startswith("seq2seq/"):
            package, *rest = (
                path.removeprefix("seq2seq/").removesuffix(".py").split("/")
            )
            target = f"api/{package}.md"
            anchor = f"#{'.'.join(['seq2seq', package, *rest])}" if rest else ""
        else:
            return f"]({link[1]})"  # MkDocs' strict mode reports it.
        start = posixpath.dirname(name) or "."
        return f"]({posixpath.relpath(target, start)}{anchor})"

    return LINK.sub(rewritten, markdown)
