"""Search over any step function: greedy and beam search, sampling, forced decoding."""
