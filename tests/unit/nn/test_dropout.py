"""Dropout's random numbers: probability, scale, independence and repetition."""

from __future__ import annotations

import pytest
import torch

from seq2seq.nn.dropout import SequenceDropout, dropout_mask

PROBABILITIES = [1e-9, 1 / 256 / 2, 0.1, 0.25, 0.3, 0.5, 0.9, 1 - 1e-9]


@pytest.mark.parametrize("p", PROBABILITIES)
def test_kept_units_are_scaled_by_the_probability_they_are_drawn_with(p: float) -> None:
    """Every 16-bit number once, in place of draws: the mean is 1 exactly."""
    numbers = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "random_", lambda self, *_: self.copy_(numbers))
        mask = dropout_mask(torch.empty(2**16, dtype=torch.double), p)
        kept = dropout_mask(torch.empty(2**16, dtype=torch.double), p, scaled=False)
    assert mask.mean().item() == pytest.approx(1, rel=1e-12)
    dropped = 1 - kept.mean().item()
    assert dropped == pytest.approx(p, abs=2**-16)
    assert 0 < dropped < 1  # However small or large p is.


def test_every_unit_has_bits_of_its_own() -> None:
    """Four units share a draw: each is dropped with p, and any two with p * p."""
    torch.manual_seed(0)
    p, rows = 0.3, 2**18
    dropped = dropout_mask(torch.empty(rows, 8, dtype=torch.double), p) == 0
    dropped = dropped.double()
    pairs = dropped.T @ dropped / rows
    expected = torch.full((8, 8), p * p, dtype=torch.double).fill_diagonal_(p)
    # Five standard deviations of a frequency of 2^18 draws.
    torch.testing.assert_close(pairs, expected, rtol=0, atol=5 * (0.25 / rows) ** 0.5)


@pytest.mark.parametrize("units", [1, 3, 4, 5, 1023])
def test_a_mask_has_its_units_shape_and_type(units: int) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.double):
        mask = dropout_mask(torch.empty(2, units, dtype=dtype), 0.5)
        assert mask.shape == (2, units)
        assert mask.dtype == dtype
        assert set(mask.unique().tolist()) <= {0.0, 2.0}
    assert dropout_mask(torch.empty(0, 4), 0.5).shape == (0, 4)


@pytest.mark.parametrize("locked", [True, False])
def test_a_seed_repeats_a_mask_and_another_does_not(locked: bool) -> None:
    dropout = SequenceDropout(0.5, locked=locked)
    inputs = torch.ones(4, 5, 33)
    outputs = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        outputs.append((dropout(inputs), dropout(inputs)))
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert torch.equal(outputs[0][1], outputs[1][1])
    assert not torch.equal(outputs[0][0], outputs[2][0])
    assert not torch.equal(outputs[0][0], outputs[0][1])


def test_the_gradient_passes_where_the_unit_passed() -> None:
    inputs = torch.randn(3, 4, 5, dtype=torch.double).requires_grad_()
    outputs = SequenceDropout(0.25, locked=False)(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    torch.testing.assert_close(outputs, inputs * inputs.grad)
    assert 0 < int((inputs.grad == 0).sum()) < inputs.numel()
