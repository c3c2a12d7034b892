"""Fixtures that more than one test file needs."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real corpora beside the checkout; skips where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"there are no real corpora in {folder}")
    return folder
