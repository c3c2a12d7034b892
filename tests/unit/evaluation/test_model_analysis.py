"""Principal components of context vectors; words of attention maps."""

from __future__ import annotations

import pytest
import torch

from seq2seq.evaluation.model_analysis import mark_words, pca_2d


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


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ("▁Der ▁H und ▁schlä ft .", "▁Der ▁H und ▁schlä ft ▁. ▁</s>"),
        ("▁3 , 5 ▁ k m", "▁3 ▁, ▁5 ▁ ▁k m ▁</s>"),
        ("▁我们 在 学校 。", "▁我们 ▁在 ▁学校 ▁。 ▁</s>"),
        ("▁फ ि र", "▁फ ि र ▁</s>"),
        ("▁ฉัน รัก แมว", "▁ฉัน ▁รัก ▁แมว ▁</s>"),
        ("", "▁</s>"),
    ],
)
def test_tokens_of_one_word_are_one_row_or_column_of_attention(
    tokens: str, expected: str
) -> None:
    assert mark_words(tokens.split()) == expected.split()
