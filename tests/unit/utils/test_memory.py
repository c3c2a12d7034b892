"""Garbage is looked for again once a verb has imported what it needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from seq2seq.utils.memory import gc_disabled


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_no_garbage_is_looked_for_meanwhile() -> None:
    before = gc.get_freeze_count()
    with gc_disabled():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)


def test_a_failing_import_leaves_it_on() -> None:
    with pytest.raises(ImportError), gc_disabled():
        raise ImportError
    assert gc.isenabled()


def test_who_has_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    frozen = gc.get_freeze_count()
    with gc_disabled():
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert gc.get_freeze_count() == frozen
