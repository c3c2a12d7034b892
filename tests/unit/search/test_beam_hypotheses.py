"""When a search stops: what could go on has to beat the worst that is returned."""

from __future__ import annotations

import pytest

from seq2seq.recipe import SearchOptions
from seq2seq.search.beam_hypotheses import BeamHypotheses
from seq2seq.search.penalties import HypothesisScorer

# Log-probabilities and lengths; with EOS the scores are -2, -0.8 and -0.5.
FINISHED = [(-2.0, 0), (-1.6, 1), (-1.5, 2)]


@pytest.mark.parametrize(("num_return", "num_needed"), [(1, 2), (2, 3), (3, 4)])
def test_a_later_better_hypothesis_raises_the_bar(
    num_return: int, num_needed: int
) -> None:
    options = SearchOptions(beam_size=4, length_penalty=1.0)
    group = BeamHypotheses(9, 4, num_return, HypothesisScorer(options))
    for number, (log_prob, length) in enumerate(FINISHED, 1):
        group.add(log_prob, length=length, beam_index=0)
        # -10 over at most ten tokens: it could reach a score of -1.
        assert group.is_done(-10.0, length) is (number >= num_needed)
