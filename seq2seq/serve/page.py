"""The page's files, from a fixed table: no path of a request is ever a path here."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
"""File and media type by the path of a request."""


def page_files() -> dict[str, tuple[bytes, str]]:
    """Return the contents and the media type of each file, by the path of a request."""
    folder = Path(__file__).with_name("page")
    return {
        path: ((folder / name).read_bytes(), media_type)
        for path, (name, media_type) in FILES.items()
    }
