"""Counting baselines: what a network must beat before its figure means something."""
