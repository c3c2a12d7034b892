"""Garbage collection during start-up, and out-of-memory errors."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from seq2seq.utils.memory import gc_disabled, is_oom_error


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_garbage_collection_is_off_meanwhile() -> None:
    before = gc.get_freeze_count()
    with gc_disabled():
        assert not gc.isenabled()
        objects = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(objects)


def test_a_failing_import_turns_garbage_collection_on_again() -> None:
    with pytest.raises(ImportError), gc_disabled():
        raise ImportError
    assert gc.isenabled()


def test_garbage_collection_that_was_off_stays_off() -> None:
    gc.disable()
    frozen = gc.get_freeze_count()
    with gc_disabled():
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert gc.get_freeze_count() == frozen


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_out_of_memory_errors_of_every_allocator_are_recognised(
    error: Exception, expected: bool
) -> None:
    assert is_oom_error(error) is expected
