"""Principal components of context vectors."""

from __future__ import annotations

import pytest
import torch

from seq2seq.evaluation.model_analysis import pca_2d


def test_the_main_directions_are_those_of_the_covariance() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(30, 5).double() * torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1])
    points, shares = pca_2d(vectors)
    values, directions = torch.linalg.eigh(torch.cov(vectors.T))
    expected = (vectors - vectors.mean(0)) @ directions[:, [-1, -2]]
    projected = torch.tensor(points).double()
    torch.testing.assert_close(projected.abs(), expected.abs(), atol=1e-3, rtol=0)
    assert shares == pytest.approx((values[[-1, -2]] / values.sum()).tolist(), abs=1e-3)
    assert all(projected[:, i].abs().max() == projected[:, i].max() for i in (0, 1))
